// Laws that the driver keeps for every rule: missing and non-finite gradients, resume, threads,
// strides, stacks, decay.
#include "muonflow/core/parallel.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

class DriverLaw : public RuleLaw {};

template <class T>
void missing_gradient(const RuleEntry& entry) {
  auto with = some_tensors<T>(entry);
  auto without = some_tensors<T>(entry);
  Optimizer<T> a(with.parameters(), only(entry, kDecay), kSeed);
  Optimizer<T> b(without.parameters(), only(entry, kDecay), kSeed);
  advance(a, with, 0, 2);
  advance(b, without, 0, 2);
  const auto weights = without.weight_values(0);
  const auto state = b.state_of("wide");
  with.set_gradients(2);
  without.set_gradients(2);
  auto* const gradient = b.parameters()[0].gradient;
  b.parameters()[0].gradient = nullptr;
  ASSERT_TRUE(a.step().outcome.ok());
  const auto report = b.step();
  ASSERT_TRUE(report.outcome.ok());
  EXPECT_EQ(report.missing, 1);
  // Neither weights nor state of the tensor moved, not even by decay; all the others did as ever.
  EXPECT_TRUE(same_bits(without.weight_values(0), weights));
  EXPECT_TRUE(same_bits(b.state_of("wide"), state));
  for (std::size_t i = 1; i < with.count(); ++i) {
    EXPECT_TRUE(same_bits(with.weight_values(i), without.weight_values(i))) << i;
  }
  // Back again, it takes the same step that a tensor takes that never missed one.
  b.parameters()[0].gradient = gradient;
  auto fresh = some_tensors<T>(entry);
  Optimizer<T> c(fresh.parameters(), only(entry, kDecay), kSeed);
  advance(c, fresh, 0, 2);
  without.set_gradients(3);
  fresh.set_gradients(3);
  ASSERT_TRUE(b.step().outcome.ok());
  ASSERT_TRUE(c.step().outcome.ok());
  EXPECT_TRUE(same_bits(without.weight_values(0), fresh.weight_values(0)));
}
TEST_P(DriverLaw, MissingGradientLeavesTensorAndState) {
  missing_gradient<float>(entry());
  missing_gradient<double>(entry());
}

template <class T>
void nan_gradient(const RuleEntry& entry, T poison) {
  auto tensors = some_tensors<T>(entry);
  Optimizer<T> optimizer(tensors.parameters(), only(entry, kDecay), kSeed);
  advance(optimizer, tensors, 0, 2);
  const auto weights = tensors.all_weights();
  const auto state = optimizer.state();
  tensors.set_gradients(2);
  tensors.gradient(3).back() = poison;
  const auto report = optimizer.step();
  EXPECT_EQ(report.outcome.status, Status::non_finite_input);
  EXPECT_FALSE(report.outcome.changed);
  EXPECT_EQ(report.tensor, "row");
  EXPECT_EQ(report.failed, 1);
  EXPECT_TRUE(same_bits(tensors.all_weights(), weights));
  EXPECT_TRUE(same_bits(optimizer.state(), state));
  EXPECT_EQ(optimizer.steps(), 2);
}
TEST_P(DriverLaw, NonFiniteGradientChangesNothing) {
  nan_gradient<float>(entry(), std::numeric_limits<float>::quiet_NaN());
  nan_gradient<double>(entry(), -std::numeric_limits<double>::infinity());
}

template <class T>
void nan_gradient_of_a_tensor(const RuleEntry& entry) {
  auto tensors = some_tensors<T>(entry);
  auto others = some_tensors<T>(entry);
  auto options = only(entry, kDecay);
  options.non_finite = NonFinite::tensor;
  Optimizer<T> optimizer(tensors.parameters(), options, kSeed);
  Optimizer<T> healthy(others.parameters(), options, kSeed);
  advance(optimizer, tensors, 0, 2);
  advance(healthy, others, 0, 3);
  const auto weights = tensors.weight_values(3);
  const auto state = optimizer.state_of("row");
  tensors.set_gradients(2);
  tensors.gradient(3).front() = std::numeric_limits<T>::quiet_NaN();
  const auto report = optimizer.step(1.0 / 3);
  EXPECT_EQ(report.outcome.status, Status::non_finite_input);
  EXPECT_TRUE(report.outcome.changed);
  EXPECT_EQ(report.tensor, "row");
  EXPECT_TRUE(same_bits(tensors.weight_values(3), weights));
  EXPECT_TRUE(same_bits(optimizer.state_of("row"), state));
  for (std::size_t i = 0; i < tensors.count(); ++i) {
    if (i == 3) continue;
    EXPECT_TRUE(same_bits(tensors.weight_values(i), others.weight_values(i))) << i;
  }
}
TEST_P(DriverLaw, NonFiniteGradientMayLeaveOutItsTensorAlone) {
  nan_gradient_of_a_tensor<float>(entry());
  nan_gradient_of_a_tensor<double>(entry());
}

template <class T>
void resume(const RuleEntry& entry) {
  auto straight = some_tensors<T>(entry);
  auto halted = some_tensors<T>(entry);
  Optimizer<T> a(straight.parameters(), only(entry, kDecay), kSeed);
  advance(a, straight, 0, 7);
  TensorMap saved;
  {
    Optimizer<T> b(halted.parameters(), only(entry, kDecay), kSeed);
    advance(b, halted, 0, 4);
    saved = b.state();
  }
  Optimizer<T> c(halted.parameters(), only(entry, kDecay), kSeed);
  c.load_state(saved, "saved");
  EXPECT_EQ(c.steps(), 4);
  EXPECT_TRUE(same_bits(c.state(), saved));
  advance(c, halted, 4, 7);
  EXPECT_TRUE(same_bits(straight.all_weights(), halted.all_weights()));
  EXPECT_TRUE(same_bits(a.state(), c.state()));
}
TEST_P(DriverLaw, ResumeIsBitExact) {
  resume<float>(entry());
  resume<double>(entry());
}

template <class T>
void threads_agree(const RuleEntry& entry) {
  const int before = threads();
  std::vector<std::vector<std::vector<T>>> weights;
  std::vector<TensorMap> states;
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    auto tensors = some_tensors<T>(entry);
    tensors.add("large", {96, 160});  // it outlasts all the others: the whole pool works on it
    if (entry.info.takes == Takes::tensors) tensors.add("many parts", {1000, 100});
    Optimizer<T> optimizer(tensors.parameters(), only(entry, kDecay), kSeed);
    advance(optimizer, tensors, 0, 3);
    weights.push_back(tensors.all_weights());
    states.push_back(optimizer.state());
  }
  set_threads(before);
  for (std::size_t i = 1; i < weights.size(); ++i) {
    EXPECT_TRUE(same_bits(weights[0], weights[i]));
    EXPECT_TRUE(same_bits(states[0], states[i]));
  }
}
TEST_P(DriverLaw, ThreadsDoNotChangeABit) {
  threads_agree<float>(entry());
  threads_agree<double>(entry());
}

template <class T>
void strides(const RuleEntry& entry) {
  auto near = some_tensors<T>(entry, 0);
  auto apart = some_tensors<T>(entry, 5);
  Optimizer<T> a(near.parameters(), only(entry, kDecay), kSeed);
  Optimizer<T> b(apart.parameters(), only(entry, kDecay), kSeed);
  advance(a, near, 0, 3);
  advance(b, apart, 0, 3);
  EXPECT_TRUE(same_bits(near.all_weights(), apart.all_weights()));
  EXPECT_TRUE(same_bits(a.state(), b.state()));
  EXPECT_EQ(apart.weights(0)[20], T(0)) << "the padding after the first row was written";
}
TEST_P(DriverLaw, RowsThatLieApartMakeNoDifference) {
  strides<float>(entry());
  strides<double>(entry());
}

// A stack is its matrices, each with a state of its own, never one matrix.
template <class T>
void stack(const RuleEntry& entry) {
  Tensors<T> together;
  together.add("stack", {3, 6, 10});
  Optimizer<T> a(together.parameters(), only(entry, kDecay), kSeed);
  advance(a, together, 0, 3);
  const auto all = together.weight_values(0);
  for (std::size_t k = 0; k < 3; ++k) {
    Tensors<T> start;
    start.add("stack", {3, 6, 10});
    const auto offset = static_cast<std::ptrdiff_t>(60 * k);
    std::vector<T> weights(start.weights(0).begin() + offset,
                           start.weights(0).begin() + offset + 60);
    std::vector<T> gradient(60);
    Optimizer<T> b(
        {{.name = "one", .shape = {6, 10}, .weights = weights.data(), .gradient = gradient.data()}},
        only(entry, kDecay), kSeed);
    for (std::int64_t t = 0; t < 3; ++t) {
      start.set_gradients(t);
      std::copy_n(start.gradient(0).begin() + offset, 60, gradient.begin());
      ASSERT_TRUE(b.step(1.0 / static_cast<double>(1 + t)).outcome.ok());
    }
    EXPECT_TRUE(same_bits(std::vector<T>(all.begin() + offset, all.begin() + offset + 60), weights))
        << "matrix " << k;
  }
}
TEST_P(DriverLaw, AStackIsItsMatrices) {
  if (has(entry().info.traits, Trait::random)) GTEST_SKIP() << "each tensor draws its own numbers";
  stack<float>(entry());
  stack<double>(entry());
}

// Each form of decay enters once, where its name says. Tolerance: four roundings of the largest
// term.
template <class T>
void decay(const RuleEntry& entry) {
  const double lr = entry.info.lr;
  const double schedule = 0.5;
  const auto after_step = [&](Decay form, double weight_decay, double coupled) {
    Tensors<T> tensors;
    tensors.add("wide", {12, 20});
    auto options = only(entry, weight_decay);
    options.hidden.decay = form;
    Optimizer<T> optimizer(tensors.parameters(), options, kSeed);
    for (std::int64_t t = 0; t < 2; ++t) {  // soap's first step only looks
      tensors.set_gradients(t);
      auto& g = tensors.gradient(0);
      const auto& w = tensors.weights(0);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] += static_cast<T>(coupled) * w[i];
      EXPECT_TRUE(optimizer.step(t == 0 ? 0.0 : schedule).outcome.ok());
    }
    return tensors.weight_values(0);
  };
  Tensors<T> start;
  start.add("wide", {12, 20});
  const auto w = start.weight_values(0);
  const auto plain = after_step(Decay::before, 0, 0);
  const auto before = after_step(Decay::before, kDecay, 0);
  const auto after = after_step(Decay::after, kDecay, 0);
  const auto independent = after_step(Decay::independent, kDecay, 0);
  const double kept = 1 - lr * schedule * kDecay;
  const double eps = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < w.size(); ++i) {
    const auto w_i = static_cast<double>(w[i]);
    const double step = static_cast<double>(w[i]) - static_cast<double>(plain[i]);
    const double scale = std::abs(w_i) + std::abs(step);
    EXPECT_NEAR(static_cast<double>(before[i]), kept * w_i - step, eps * scale);
    EXPECT_NEAR(static_cast<double>(after[i]), kept * (w_i - step), eps * scale);
    EXPECT_NEAR(static_cast<double>(independent[i]), (1 - schedule * kDecay) * w_i - step,
                eps * scale);
  }
  EXPECT_TRUE(
      same_bits(after_step(Decay::coupled, kDecay, 0), after_step(Decay::coupled, 0, kDecay)));
}
TEST_P(DriverLaw, DecayEntersOnce) {
  if (entry().info.result == Result::weights) GTEST_SKIP() << "W is not W minus a step";
  decay<float>(entry());
  decay<double>(entry());
}

MUONFLOW_EVERY_RULE(DriverLaw);

}  // namespace
}  // namespace muonflow::optim::laws
