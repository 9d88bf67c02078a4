#include "muonflow/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "muonflow/core/parallel.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

// The gradient is clipped, then orthogonalized: the step's size is lr whatever max_norm is.
TEST(Optimizer, ClipsBeforeTheRuleNeverAfter) {
  const auto step = [](std::optional<double> max_norm, double factor) {
    Owned<> a("a", {6, 9}, Role::hidden, 0);
    vary(a.gradient, 1);
    for (auto& g : a.gradient) g *= factor;
    auto options = only("muon", 1.0, R"({"eps": 1e-30})");
    options.clip.max_norm = max_norm;
    Optimizer<double> optimizer({a.parameter}, options, 1);
    EXPECT_TRUE(optimizer.step().outcome.ok());
    return a.weights;
  };
  const auto plain = step({}, 1);
  const auto clipped = step(1e-3, 1);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    // Roundings of the scaled gradient, amplified by five Jordan steps (485).
    EXPECT_NEAR(clipped[i], plain[i], 1e-12);
  }
}

TEST(Optimizer, ClippingIsThatOfScaledGradients) {
  const auto run = [](double max_norm, double factor, ClipKind kind) {
    Owned<> a("a", {4, 4}, Role::hidden, 1, 2);
    Owned<> b("b", {4}, Role::bias, 1, 1);
    for (auto& g : a.gradient) g *= factor;
    for (auto& g : b.gradient) g *= factor;
    auto options = only("adamw", 0.1, R"({"eps": 0.1})");
    if (max_norm > 0) options.clip = {.max_norm = max_norm, .kind = kind};
    Optimizer<double> optimizer({a.parameter, b.parameter}, options, 1);
    const auto report = optimizer.step();
    EXPECT_DOUBLE_EQ(report.gradient_norm, factor * std::sqrt(68.0)) << "before clipping";
    return std::pair(a.weights, b.weights);
  };
  // The norm is sqrt(16 4 + 4) = sqrt(68).
  const auto norm = std::sqrt(68.0);
  EXPECT_EQ(run(norm / 4, 1, ClipKind::global), run(0, 0.25, ClipKind::global));
  EXPECT_EQ(run(2 * norm, 1, ClipKind::global), run(0, 1, ClipKind::global));
  const auto each = run(2, 1, ClipKind::tensor);
  EXPECT_EQ(each.first, run(0, 0.25, ClipKind::global).first);  // of norm 8
  EXPECT_EQ(each.second, run(0, 1, ClipKind::global).second);   // of norm 2: kept
}

// The norm is over all gradients, whatever they are clipped by, also where nothing is clipped.
TEST(Optimizer, ReportsTheGradientNorm) {
  Owned<> a("a", {4, 4}, Role::hidden, 1, 3);
  Owned<> b("b", {20000}, Role::bias, 1, 0);  // two parts
  b.gradient.front() = 5;
  b.gradient.back() = 12;
  auto options = only("sgd", 0.1);
  Optimizer<double> plain({a.parameter, b.parameter}, options, 1);
  EXPECT_DOUBLE_EQ(plain.step().gradient_norm, std::sqrt(9.0 * 16 + 169));
  options.non_finite = NonFinite::tensor;
  a.gradient[3] = std::numeric_limits<double>::quiet_NaN();
  Optimizer<double> partly({a.parameter, b.parameter}, options, 1);
  EXPECT_DOUBLE_EQ(partly.step().gradient_norm, 13) << "of the tensors that step";
  EXPECT_TRUE(std::isnan(plain.step().gradient_norm)) << "the step was refused";
  b.gradient.assign(b.gradient.size(), 1e307);  // no NaN, though the norm is beyond a double
  a.gradient.assign(16, 0);
  auto still = only("sgd", 1e-300);
  still.clip.max_norm = 1;
  Optimizer<double> huge({a.parameter, b.parameter}, still, 1);
  const auto report = huge.step();
  EXPECT_TRUE(report.outcome.ok());
  EXPECT_GT(report.gradient_norm, 1e308);
}

TEST(Optimizer, ClippingAfterTheRuleIsRefusedWithTheReason) {
  Owned<> a("a", {4, 4});
  auto options = only("muon", 0.1);
  options.clip = {.max_norm = 1, .when = ClipWhen::after};
  const auto message =
      message_of<ConfigError>([&] { Optimizer<double>({a.parameter}, options, 1); });
  EXPECT_MENTIONS(message, "optimizer.clip.when: clipping after the rule: expected before");
  EXPECT_MENTIONS(message, "the size of a normalized step is its learning rate");
}

// Many tiny tensors, of several shapes and rules, in few tasks: nothing is left out, and the
// results are those of each alone, where a batch has another kernel up to its roundings.
TEST(Optimizer, TinyTensorsStepTogether) {
  std::vector<std::unique_ptr<Owned<>>> together;
  std::vector<Parameter<double>> all;
  for (int i = 0; i < 60; ++i) {
    const Index size = 2 + i % 3;
    together.push_back(std::make_unique<Owned<>>("w" + std::to_string(i), Shape{4, 4 + size}));
    vary(together.back()->gradient, i);
    all.push_back(together.back()->parameter);
  }
  auto options = only("muon", 0.1);
  options.groups = {{.rule = "adamw", .patterns = {"w?"}}};
  Optimizer<double> optimizer(all, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  for (int i = 0; i < 60; ++i) {
    Owned<> one("one", {4, 4 + 2 + i % 3});
    vary(one.gradient, i);
    auto rule = only(i < 10 ? "adamw" : "muon", 0.1);
    rule.hidden.lr = i < 10 ? 1e-3 : 0.1;
    Optimizer<double> alone({one.parameter}, rule, 1);
    ASSERT_TRUE(alone.step().outcome.ok());
    const auto& with_others = together[static_cast<std::size_t>(i)]->weights;
    if (i < 10) {
      EXPECT_EQ(one.weights, with_others) << i;
      continue;
    }
    // Steps of 0.1 and entries below 1: five quintic steps of 4 rows round to some 1e-15.
    for (std::size_t k = 0; k < with_others.size(); ++k) {
      EXPECT_NEAR(one.weights[k], with_others[k], 1e-14) << i;
    }
  }
}

TEST(Optimizer, ResultsThatAreNotFiniteNeverReachTheWeights) {
  Owned<> a("a", {4, 4});
  Owned<> b("b", {4, 4});
  RoutingOptions options = only("sgd", 0.1);
  options.groups = {{.rule = "toy_failing", .patterns = {"a"}}};
  Optimizer<double> optimizer({a.parameter, b.parameter}, options, 1);
  const auto before = a.weights;
  const auto report = optimizer.step();
  EXPECT_EQ(report.outcome.status, Status::non_finite_result);
  EXPECT_EQ(report.tensor, "a");
  EXPECT_EQ(report.failed, 1);
  EXPECT_TRUE(report.outcome.changed) << "b was";
  EXPECT_EQ(a.weights, before);
  EXPECT_DOUBLE_EQ(b.weights[0], 0.9);
}

TEST(Optimizer, OverflowOfTheUpdateIsFound) {
  Owned<float> a("a", {4, 4}, Role::hidden, 1, 1e30f);
  Optimizer<float> optimizer({a.parameter}, only("sgd", 1e30), 1);
  const auto report = optimizer.step();
  EXPECT_EQ(report.outcome.status, Status::non_finite_result);
  EXPECT_FALSE(report.outcome.changed);
  EXPECT_EQ(a.weights, std::vector<float>(16, 1.0f));
}

TEST(Optimizer, AnIterationThatDoesNotConvergeLeavesTheWeights) {
  Owned<> a("a", {4, 4});
  Optimizer<double> optimizer({a.parameter}, only("toy_failing", 0.1, R"({"converges": false})"),
                              1);
  const auto report = optimizer.step();
  EXPECT_EQ(report.outcome.status, Status::not_converged);
  EXPECT_FALSE(report.outcome.changed);
  EXPECT_EQ(a.weights, std::vector<double>(16, 1.0));
}

TEST(Optimizer, ScheduleMultipliesTheLearningRate) {
  Owned<> a("a", {4}, Role::bias);
  Optimizer<double> optimizer({a.parameter}, only("sgd", 0.5), 1);
  ASSERT_TRUE(optimizer.step(0.25).outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[0], 1 - 0.125);
  for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_MENTIONS(message_of<ConfigError>([&] { optimizer.step(bad); }), "schedule");
  }
}

TEST(Optimizer, SplitRowsAreMatricesOfTheirOwn) {
  Owned<> whole("a", {12, 6}, Role::hidden, 0);
  vary(whole.gradient, 2);
  auto options = only("muon", 0.1);
  options.hidden.split_sizes = {8, 4};
  Optimizer<double> optimizer({whole.parameter}, options, 1);
  Owned<> first("f", {8, 6}, Role::hidden, 0);
  Owned<> second("s", {4, 6}, Role::hidden, 0);
  std::copy_n(whole.gradient.begin(), 48, first.gradient.begin());
  std::copy_n(whole.gradient.begin() + 48, 24, second.gradient.begin());
  Optimizer<double> apart({first.parameter, second.parameter}, only("muon", 0.1), 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  ASSERT_TRUE(apart.step().outcome.ok());
  EXPECT_TRUE(std::equal(first.weights.begin(), first.weights.end(), whole.weights.begin()));
  EXPECT_TRUE(std::equal(second.weights.begin(), second.weights.end(), whole.weights.begin() + 48));
}

// Query heads of two rows and fewer key and value heads of the same size.
TEST(Optimizer, HeadsAreMatricesOfTheirOwn) {
  Owned<> whole("a", {8, 6}, Role::hidden, 0);
  vary(whole.gradient, 2);
  auto options = only("muon", 0.1);
  options.hidden.split_sizes = {4, 2, 2};
  options.hidden.num_heads = 2;
  Optimizer<double> optimizer({whole.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  for (std::size_t head = 0; head < 4; ++head) {
    Owned<> alone("h", {2, 6}, Role::hidden, 0);
    const auto first = static_cast<std::ptrdiff_t>(12 * head);
    std::copy_n(whole.gradient.begin() + first, 12, alone.gradient.begin());
    Optimizer<double> apart({alone.parameter}, only("muon", 0.1), 1);
    ASSERT_TRUE(apart.step().outcome.ok());
    EXPECT_TRUE(
        std::equal(alone.weights.begin(), alone.weights.end(), whole.weights.begin() + first))
        << head;
  }
}

// Large elementwise tensors are cut for the threads; nothing of it may show.
TEST(Optimizer, CutsOfAnElementwiseTensorDoNotShow) {
  constexpr std::size_t kCount = 50000;
  Owned<> a("a", {static_cast<std::int64_t>(kCount)}, Role::bias);
  vary(a.gradient, 1);
  Optimizer<double> optimizer({a.parameter}, only("adamw", 0.1), 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  const auto state = optimizer.state();
  EXPECT_EQ(state.at("s/a/exp_avg").shape, (Shape{static_cast<std::int64_t>(kCount)}));
  const auto average = state.at("s/a/exp_avg").to<double>();
  for (std::size_t i = 0; i < kCount; ++i) {
    ASSERT_DOUBLE_EQ(average[i], (1 - 0.9) * a.gradient[i]) << i;
  }
  EXPECT_EQ(optimizer.state_bytes(), 2 * kCount * sizeof(double));
}

TEST(Optimizer, MomentumWarmsUpByStepsTaken) {
  Owned<> a("a", {4}, Role::bias, 0);
  auto options = only("sgd", 1.0, R"({"momentum": 0.9})");
  options.momentum_warmup = {.start = 0.5, .steps = 2};
  Optimizer<double> optimizer({a.parameter}, options, 1);
  double buffer = 1;
  double w = 0;
  for (int t = 0; t < 4; ++t) {
    const double momentum = t == 0 ? 0.5 : t == 1 ? 0.7 : 0.9;
    if (t > 0) buffer = momentum * buffer + 1;
    w -= buffer;
    ASSERT_TRUE(optimizer.step().outcome.ok());
    EXPECT_NEAR(a.weights[0], w, 1e-14) << t;
  }
  // A rule without momentum has no buffer and stays without.
  Owned<> b("b", {4}, Role::bias, 0);
  options.hidden.options = OptionsTree();
  Optimizer<double> plain({b.parameter}, options, 1);
  ASSERT_TRUE(plain.step().outcome.ok());
  EXPECT_EQ(b.weights[0], -1);
}

// The first gradient of a warmup from 0 is remembered, saved and gone on from.
TEST(Optimizer, MomentumWarmsUpFromNothing) {
  Owned<> a("a", {4}, Role::bias, 0);
  auto options = only("sgd", 1.0, R"({"momentum": 0.5})");
  options.momentum_warmup = {.start = 0, .steps = 2};
  Optimizer<double> first({a.parameter}, options, 1);
  ASSERT_TRUE(first.step().outcome.ok());
  EXPECT_EQ(a.weights[0], -1);
  const auto saved = first.state();
  EXPECT_EQ(saved.at("s/a/momentum_buffer").to<double>()[0], 1);
  EXPECT_EQ(first.state_bytes(), 4 * sizeof(double));
  Optimizer<double> second({a.parameter}, options, 1);
  second.load_state(saved, "saved");
  ASSERT_TRUE(second.step().outcome.ok());
  EXPECT_EQ(a.weights[0], -1 - 1.25);  // 0.25 of the first, and the second
}

// Weights of a stack [count, 6, 10] after three steps, among other tensors or not, as one tensor or
// as `count`; the gradients of the second step leave one tensor out.
std::vector<float> weights_of_stack(Index count, bool apart, bool others, const std::string& rule) {
  constexpr Index kSize = 60;
  const Index tensors = apart ? count : 1;
  std::vector<std::unique_ptr<Owned<float>>> owned;
  for (Index i = 0; i < tensors; ++i) {
    const Shape shape = apart ? Shape{6, 10} : Shape{count, 6, 10};
    owned.push_back(std::make_unique<Owned<float>>("s" + std::to_string(i), shape));
  }
  if (others) {
    owned.push_back(std::make_unique<Owned<float>>("turned", Shape{10, 6}));
    owned.push_back(std::make_unique<Owned<float>>("equal", Shape{6, 10}));
    owned.push_back(std::make_unique<Owned<float>>("large", Shape{40, 50}));
  }
  std::vector<Parameter<float>> parameters;
  for (const auto& tensor : owned) parameters.push_back(tensor->parameter);
  Optimizer<float> optimizer(parameters, only(rule, 0.1), 1);
  for (int t = 0; t < 3; ++t) {
    Index k = 0;
    for (const auto& tensor : owned) {
      for (auto& g : tensor->gradient) g = std::sin(0.37F * static_cast<float>(++k * (t + 1)));
    }
    if (others)
      optimizer.parameters().back().gradient = t == 1 ? nullptr : owned.back()->gradient.data();
    EXPECT_TRUE(optimizer.step().outcome.ok());
  }
  std::vector<float> all;
  for (Index i = 0; i < tensors; ++i) {
    const auto& weights = owned[static_cast<std::size_t>(i)]->weights;
    all.insert(all.end(), weights.begin(), weights.end());
  }
  EXPECT_EQ(static_cast<Index>(all.size()), count * kSize);
  return all;
}

// Small matrices of equal rules and shapes are stepped together, whatever tensors they stand in and
// whoever stands beside them.
TEST(Optimizer, ABatchOfSmallMatricesIsItsMatrices) {
  for (const std::string rule : {"muon", "muon.pytorch", "normuon"}) {
    const auto stack = weights_of_stack(70, false, false, rule);
    for (const int count : {1, 2, 4}) {
      set_threads(count);
      EXPECT_EQ(weights_of_stack(70, false, true, rule), stack) << rule << ", " << count;
      EXPECT_EQ(weights_of_stack(70, true, false, rule), stack) << rule << ", " << count;
    }
    set_threads(0);
    // A few are stepped one by one: the same steps, summed in another order.
    const auto few = weights_of_stack(5, false, false, rule);
    for (std::size_t i = 0; i < few.size(); ++i) ASSERT_NEAR(few[i], stack[i], 1e-4) << rule;
  }
}

TEST(Optimizer, RefusesBuffersItCannotBorrow) {
  Owned<> a("a", {4, 4});
  auto parameter = a.parameter;
  parameter.weights = nullptr;
  const auto refusal = [&] {
    return message_of<ShapeError>([&] { Optimizer<double>({parameter}, only("sgd", 1), 1); });
  };
  EXPECT_MENTIONS(refusal(), "a: weights are null");
  parameter = a.parameter;
  parameter.gradient_stride = 3;
  EXPECT_MENTIONS(refusal(), "a: gradient stride 3");
  parameter = a.parameter;
  parameter.shape = {2, 2, 4};
  parameter.weights_stride = 8;
  EXPECT_MENTIONS(refusal(), "only rank 2 may have rows that lie apart");
}

TEST(Optimizer, EmptySetOfParametersIsNoTrouble) {
  Optimizer<float> optimizer({}, RoutingOptions{}, 1);
  EXPECT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(optimizer.steps(), 1);
  EXPECT_EQ(optimizer.state_bytes(), 0u);
}

}  // namespace
}  // namespace muonflow::optim
