#include "muonflow/optim/replay.hpp"

#include <cmath>
#include <limits>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

template <class T = double>
Tensor filled(const Shape& shape, double value) {
  return make_tensor<T>(
      shape, std::vector<T>(static_cast<std::size_t>(element_count(shape)), static_cast<T>(value)));
}

ReplayRequest request(const std::string& rule, const std::string& options) {
  return {.rule = rule, .options = OptionsTree(options), .source = "in.st"};
}

TensorMap two_steps(const Shape& shape = {4, 6}) {
  return {{"w/a", filled(shape, 1)}, {"g/a/0", filled(shape, 1)}, {"g/a/1", filled(shape, 2)}};
}

template <class E>
std::string refusal(const TensorMap& input,
                    const ReplayRequest& r = request("sgd", R"({"lr": 0.5})")) {
  const auto message = message_of<E>([&] { replay(input, r); });
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message;
}

TEST(Replay, GivesWeightsOfEveryStepAndTheFinalState) {
  const auto out = replay(two_steps(), request("sgd", R"({"lr": 0.5, "momentum": 0.5})"));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : out) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"s/a/momentum_buffer", "s/a/step", "w/a/0", "w/a/1"}));
  EXPECT_EQ(out.at("w/a/0").to<double>()[3], 0.5);
  EXPECT_EQ(out.at("w/a/1").to<double>()[3], 0.5 - 0.5 * 2.5);
  EXPECT_EQ(out.at("s/a/momentum_buffer").to<double>()[3], 2.5);
  EXPECT_EQ(out.at("s/a/step").to<std::int64_t>()[0], 2);
}

// 24 ones and 25 twos: the norm of both together is sqrt(124), that of each alone sqrt(24) and 10.
TEST(Replay, ClipsAllGradientsOfAStepTogetherOrEachAlone) {
  const TensorMap input{{"w/a", filled({4, 6}, 1)},
                        {"g/a/0", filled({4, 6}, 1)},
                        {"w/b", filled<float>({25}, 1)},
                        {"g/b/0", filled<float>({25}, 2)},
                        {"g/b/1", filled<float>({25}, 0.5)}};
  const auto moved = [&](const std::string& clip, const std::string& key) {
    const auto out = replay(input, request("sgd", R"({"lr": 1, "clip": )" + clip + "}"));
    return 1 - out.at(key).to<double>()[3];
  };
  const double tolerance = 4 * std::numeric_limits<float>::epsilon();
  const std::string all = R"({"max_norm": 5})", each = R"({"max_norm": 5, "kind": "tensor"})";
  EXPECT_NEAR(moved(all, "w/a/0"), 5 / std::sqrt(124.0), tolerance);
  EXPECT_NEAR(moved(all, "w/b/0"), 10 / std::sqrt(124.0), tolerance);
  EXPECT_NEAR(moved(all, "w/b/1"), 10 / std::sqrt(124.0) + 0.5, tolerance);  // of norm 2.5 alone
  EXPECT_NEAR(moved(each, "w/a/0"), 1, tolerance);
  EXPECT_NEAR(moved(each, "w/b/0"), 1, tolerance);
  EXPECT_NEAR(moved(R"({"max_norm": "off"})", "w/b/0"), 2, tolerance);
}

TEST(Replay, MomentumWarmsUpAndSchedulesHaveTheirOptions) {
  const auto at = [&](const std::string& options) {
    return replay(two_steps(), request("sgd", options)).at("w/a/1").to<double>()[3];
  };
  // Momentum 0 and then 0.25 of 0.5: M = 1, then 0.25 + 2.
  EXPECT_DOUBLE_EQ(at(R"({"lr": 1, "momentum": 0.5, "momentum_warmup": {"start": 0, "steps": 2}})"),
                   1 - 1 - 2.25);
  // 1/4 and 2/4 of the learning rate.
  EXPECT_DOUBLE_EQ(at(R"({"lr": 1, "schedule": {"kind": "wsd", "warmup": 4}})"), 1 - 0.25 - 1);
}

// A fused matrix by its parts and heads is what its parts are by themselves.
TEST(Replay, PartsAndHeadsAreMatricesOfTheirOwn) {
  const auto numbers = [](Index rows, Index first) {
    std::vector<double> values;
    for (Index i = 0; i < rows * 4; ++i) {
      values.push_back(std::sin(static_cast<double>(first * 4 + i + 1)));
    }
    return make_tensor<double>({rows, 4}, values);
  };
  const auto last = [](const TensorMap& out) { return out.at("w/a/0").to<double>(); };
  const std::string one = R"({"lr": 0.1, "split_sizes": [4, 2], "num_heads": 2})";
  const auto whole =
      last(replay({{"w/a", numbers(6, 0)}, {"g/a/0", numbers(6, 9)}}, request("muon", one)));
  for (Index part = 0; part < 3; ++part) {
    const auto alone =
        last(replay({{"w/a", numbers(2, 2 * part)}, {"g/a/0", numbers(2, 9 + 2 * part)}},
                    request("muon", R"({"lr": 0.1})")));
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(whole[static_cast<std::size_t>(8 * part) + i], alone[i]) << part;
    }
  }
}

TEST(Replay, AuditsEveryTransform) {
  for (const auto* options :
       {R"({"lr": 0.1, "clip": {"max_norm": 0.1}})",
        R"({"lr": 0.1, "clip": {"max_norm": 0.1, "kind": "tensor"}})",
        R"({"lr": 0.1, "momentum_warmup": {"steps": 2}})",
        R"({"lr": 0.1, "split_sizes": [2, 2], "schedule": {"kind": "linear"}})"}) {
    auto r = request("muon", options);
    std::int64_t failed = 0, judged = 0;
    r.on_audit = [&](const std::string&, std::int64_t, const AuditReport& report) {
      failed += report.failed();
      judged += report.judged();
    };
    const auto out = replay(two_steps(), r);
    EXPECT_GT(judged, 4) << options;
    audit_trajectory(two_steps(), out, r);
    EXPECT_EQ(failed, 0) << options;
  }
}

TEST(Replay, GoesOnFromAGivenState) {
  for (const auto* rule : {"sgd", "adamw", "muon", "regularized_muon"}) {
    const std::string options =
        rule == std::string("sgd") ? R"({"lr": 0.5, "momentum": 0.5})" : R"({"lr": 0.5})";
    const auto whole = replay(two_steps(), request(rule, options));
    auto first = two_steps();
    first.erase("g/a/1");
    const auto half = replay(first, request(rule, options));
    TensorMap second{{"w/a", half.at("w/a/0")}, {"g/a/0", two_steps().at("g/a/1")}};
    for (const auto& [name, tensor] : half) {
      if (name.starts_with("s/")) second.emplace(name, tensor);
    }
    const auto rest = replay(second, request(rule, options));
    EXPECT_EQ(rest.at("w/a/0").bytes, whole.at("w/a/1").bytes) << rule;
    EXPECT_EQ(rest.at("s/a/step").bytes, whole.at("s/a/step").bytes) << rule;
  }
}

TEST(Replay, KeepsDtypesAndComputesNarrowOnesInFloat) {
  for (const auto dtype : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16}) {
    auto input = two_steps();
    for (auto& [name, tensor] : input) {
      const auto values = tensor.to<double>();
      tensor = make_tensor<double>(dtype, tensor.shape, values);
    }
    const auto out = replay(input, request("sgd", R"({"lr": 0.5})"));
    EXPECT_EQ(out.at("w/a/0").dtype, dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32);
    EXPECT_EQ(out.at("w/a/1").to<double>()[0], -0.5);
  }
}

TEST(Replay, FollowsTheSchedule) {
  auto r = request("sgd", R"({"lr": 1})");
  r.schedule.kind = ScheduleKind::linear;
  const auto out = replay(two_steps(), r);
  EXPECT_EQ(out.at("w/a/1").to<double>()[0], 1 - 1 - 0.5 * 2);
}

TEST(Replay, LayoutIsConvUnlessAsked) {
  TensorMap input{{"w/a", filled({3, 4, 4}, 0)}, {"g/a/0", filled({3, 4, 4}, 0)}};
  std::vector<double> g(48, 0);
  for (std::size_t k = 0; k < 3; ++k) g[16 * k + 5 * k] = 1;  // matrices of rank 1
  input["g/a/0"] = make_tensor<double>({3, 4, 4}, g);
  const std::string svd = R"({"lr": 1, "polar": "svd", "adjust_lr": "none")";
  const auto conv = replay(input, request("muon", svd + "}")).at("w/a/0").to<double>();
  const auto same = replay(input, request("muon", svd + R"(, "layout": "conv"})"));
  EXPECT_EQ(conv, same.at("w/a/0").to<double>());
  // As one matrix [3, 16] it has orthonormal rows already, as three each has one singular value 1.
  g[0] = 2;
  input["g/a/0"] = make_tensor<double>({3, 4, 4}, g);
  input["g/a/0"].bytes = make_tensor<double>({3, 4, 4}, g).bytes;
  const auto scaled = request("muon", R"({"lr": 1, "adjust_lr": "spectral", "layout": "stack"})");
  const auto flat = request("muon", R"({"lr": 1, "adjust_lr": "spectral"})");
  const auto a = replay(input, scaled).at("w/a/0").to<double>();
  const auto b = replay(input, flat).at("w/a/0").to<double>();
  EXPECT_NE(a, b);
}

TEST(Replay, NamesMayHoldSlashes) {
  TensorMap input{{"w/x/y", filled({4}, 1)}, {"g/x/y/0", filled({4}, 1)}};
  EXPECT_TRUE(replay(input, request("sgd", R"({"lr": 1})")).contains("w/x/y/0"));
}

TEST(Replay, AuditsEveryStepOfEveryTensor) {
  auto r = request("muon", R"({"lr": 0.02, "weight_decay": 0.1})");
  r.schedule.kind = ScheduleKind::linear;
  std::vector<std::string> told;
  r.on_audit = [&](const std::string& tensor, std::int64_t step, const AuditReport& report) {
    EXPECT_TRUE(report.ok()) << report.to_text();
    EXPECT_GE(report.judged(), 5);
    told.push_back(tensor + " " + std::to_string(step));
  };
  const auto output = replay(two_steps(), r);
  EXPECT_EQ(told, (std::vector<std::string>{"a 0", "a 1"}));

  // The same trajectory from a file, then with a step that is too long.
  told.clear();
  audit_trajectory(two_steps(), output, r);
  EXPECT_EQ(told.size(), 2u);
  auto wrong = output;
  auto weights = wrong.at("w/a/1").to<double>();
  const auto before = wrong.at("w/a/0").to<double>();
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] += 0.5 * (weights[i] - before[i]);
  wrong["w/a/1"] = make_tensor<double>({4, 6}, weights);
  std::string line;
  r.on_audit = [&](const std::string&, std::int64_t step, const AuditReport& report) {
    if (!report.ok()) line = std::to_string(step) + " " + report.failure()->to_line();
  };
  audit_trajectory(two_steps(), wrong, r);
  EXPECT_MENTIONS(line, "1 a: ");
  wrong.erase("w/a/1");
  EXPECT_MENTIONS(message_of<DataError>([&] { audit_trajectory(two_steps(), wrong, r); }),
                  "w/a/1: missing in the trajectory");
}

TEST(Replay, AStateThatCannotBeIsNamed) {
  auto input = two_steps();
  input["s/a/exp_avg"] = filled({4, 6}, 1);
  input["s/a/exp_avg_sq"] = filled({4, 6}, -1);
  input["s/a/step"] = make_tensor<std::int64_t>({}, std::vector<std::int64_t>{3});
  auto r = request("adamw", R"({"lr": 0.02, "betas": [0.9, 0.5]})");
  std::string line;
  r.on_audit = [&](const std::string&, std::int64_t, const AuditReport& report) {
    if (line.empty() && !report.ok()) line = report.failure()->to_line();
  };
  auto theirs = two_steps();
  theirs["w/a/0"] = theirs["w/a/1"] = filled({4, 6}, 1);
  audit_trajectory(input, theirs, r);
  EXPECT_MENTIONS(line, "exp_avg_sq before the step");
}

TEST(Replay, RefusesDataWithOneLineThatNamesFileAndTensor) {
  auto no_weights = two_steps();
  no_weights.erase("w/a");
  EXPECT_MENTIONS(refusal<DataError>(no_weights), "in.st: w/a: missing");

  auto gap = two_steps();
  gap.erase("g/a/0");
  EXPECT_MENTIONS(refusal<DataError>(gap), "in.st: g/a/0: missing: found g/a/1");

  EXPECT_MENTIONS(refusal<DataError>({{"w/a", filled({4}, 1)}}), "in.st: g/a/0: missing");
  EXPECT_MENTIONS(refusal<DataError>({}), "in.st: ");

  auto shape = two_steps();
  shape["g/a/1"] = filled({6, 4}, 1);
  EXPECT_MENTIONS(refusal<ShapeError>(shape), "in.st: g/a/1: expected [4, 6] as w/a, found [6, 4]");

  auto nan = two_steps();
  nan["w/a"] = filled({4, 6}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_MENTIONS(refusal<DataError>(nan), "in.st: w/a: expected finite values");
  nan = two_steps();
  nan["g/a/1"] = filled({4, 6}, std::numeric_limits<double>::infinity());
  EXPECT_MENTIONS(refusal<DataError>(nan), "in.st: g/a/1: expected finite values");

  auto stray = two_steps();
  stray["x/a"] = filled({4}, 1);
  EXPECT_MENTIONS(refusal<DataError>(stray), "in.st: x/a");
  stray = two_steps();
  stray["g/a/last"] = filled({4, 6}, 1);
  EXPECT_MENTIONS(refusal<DataError>(stray), "in.st: g/a/last");

  auto integers = two_steps();
  integers["w/a"] = make_tensor<std::int32_t>({4, 6}, std::vector<std::int32_t>(24, 1));
  EXPECT_MENTIONS(refusal<DataError>(integers), "in.st: w/a: expected a floating type, found I32");

  auto overflow = two_steps();
  EXPECT_MENTIONS(refusal<DataError>(overflow, request("sgd", R"({"lr": 1e308, "momentum": 0.9})")),
                  "in.st: g/a/1: step of rule 'sgd'");
}

TEST(Replay, RefusesRequestsThatCannotBe) {
  const auto wrong = [](const std::string& rule, const std::string& options,
                        const TensorMap& input = two_steps()) {
    return refusal<ConfigError>(input, request(rule, options));
  };
  EXPECT_MENTIONS(wrong("muon", R"({"lr": 1})", two_steps({7})),
                  "in.st: w/a: rule 'muon' takes matrices");
  EXPECT_MENTIONS(wrong("sgd", "{}"), "lr: missing option");
  EXPECT_MENTIONS(wrong("sdg", R"({"lr": 1})"), "did you mean 'sgd'?");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "momentun": 0.5})"), "did you mean 'momentum'?");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "wieght_decay": 0.5})"),
                  "did you mean 'weight_decay'?");
  EXPECT_MENTIONS(wrong("toy_weights", R"({"lr": 1, "adjust_lr": "none"})"),
                  "scales by shape itself");
  EXPECT_MENTIONS(wrong("muon+adamw", R"({"lr": 1})"), "expected one rule");
  auto state = two_steps();
  state["s/a/exp_avg"] = filled({4, 6}, 0);
  EXPECT_MENTIONS(wrong("muon", R"({"lr": 1})", state), "in.st: s/a/exp_avg");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "clip": {"max_norm": 1, "when": "after"}})"),
                  "clip.when: clipping after the rule: expected before");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "clip": {"max_nrm": 1}})"), "did you mean 'max_norm'?");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "qk_clip": {"threshold": 1}})"),
                  "qk_clip: recorded gradients have no attention logits");
  EXPECT_MENTIONS(wrong("sgd", R"({"lr": 1, "accumulation": 2})"),
                  "accumulation: a step is one recorded gradient");
  EXPECT_MENTIONS(wrong("muon", R"({"lr": 1, "split_sizes": [3]})"),
                  "in.st: w/a: split_sizes [3]: expected sizes that add up");
  EXPECT_MENTIONS(wrong("muon", R"({"lr": 1, "num_heads": 3})"), "in.st: w/a: num_heads 3");
  auto rank5 = two_steps({1, 1, 1, 2, 2});
  EXPECT_MENTIONS(refusal<ShapeError>(rank5), "in.st: w/a: parameter: expected rank 1 to 4");
}

}  // namespace
}  // namespace muonflow::optim
