// Saving and loading: what a state holds, and what is refused.

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

struct Pair {
  Owned<> a{"a", {4, 6}};
  Owned<> b{"b", {5}, Role::bias};
  std::vector<Parameter<double>> parameters() { return {a.parameter, b.parameter}; }
};

std::string refusal(Optimizer<double>& optimizer, const TensorMap& state) {
  const auto before = optimizer.state();
  const auto message =
      message_of<ConfigError>([&] { optimizer.load_state(state, "state.safetensors"); });
  const auto after = optimizer.state();
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before) EXPECT_EQ(after.at(name).bytes, tensor.bytes) << name;
  return message;
}

TEST(OptimizerState, HasTheNamesOfPyTorch) {
  Pair p;
  Optimizer<double> optimizer(p.parameters(), RoutingOptions{}, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  const auto state = optimizer.state();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"rule/a", "rule/b", "s/a/momentum_buffer", "s/a/step",
                                      "s/b/exp_avg", "s/b/exp_avg_sq", "s/b/step", "steps"}));
  EXPECT_EQ(state.at("s/a/momentum_buffer").dtype, Dtype::f64);
  EXPECT_EQ(state.at("s/a/momentum_buffer").shape, (Shape{4, 6}));
  EXPECT_EQ(state.at("s/b/step").to<std::int64_t>()[0], 1);
  EXPECT_EQ(optimizer.state_bytes(), (24 + 2 * 5) * sizeof(double));
}

TEST(OptimizerState, OfAnotherRuleIsRefused) {
  Pair p;
  Optimizer<double> muon(p.parameters(), RoutingOptions{}, 1);
  RoutingOptions other;
  other.preset = "regularized_muon+adamw";  // whose state has the same fields
  Optimizer<double> regularized(p.parameters(), other, 1);
  const auto message = refusal(regularized, muon.state());
  EXPECT_MENTIONS(message, "state.safetensors: a: ");
  EXPECT_MENTIONS(message, "expected the state of rule 'regularized_muon', found that of 'muon'");
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(OptimizerState, OfAnotherModelIsRefused) {
  Pair p;
  Optimizer<double> optimizer(p.parameters(), RoutingOptions{}, 1);
  auto state = optimizer.state();

  auto missing = state;
  missing.erase("s/b/exp_avg");
  EXPECT_MENTIONS(refusal(optimizer, missing), "s/b/exp_avg");

  auto shape = state;
  shape["s/a/momentum_buffer"].shape = {6, 4};
  EXPECT_MENTIONS(refusal(optimizer, shape), "expected a floating [4, 6], found F64 [6, 4]");

  auto extra = state;
  extra["s/c/momentum_buffer"] = state["s/a/momentum_buffer"];
  EXPECT_MENTIONS(refusal(optimizer, extra), "s/c/momentum_buffer");

  auto field = state;
  field["s/a/exp_avg"] = state["s/a/momentum_buffer"];
  EXPECT_MENTIONS(refusal(optimizer, field), "s/a/exp_avg");

  auto count = state;
  count["s/a/step"] = make_tensor<double>({}, std::vector<double>{1.5});
  EXPECT_MENTIONS(refusal(optimizer, count), "s/a/step: expected one whole number");

  EXPECT_MENTIONS(refusal(optimizer, {}), "rule/a");
}

TEST(OptimizerState, StepMayBeAFloatAsInPyTorch) {
  Pair p;
  Optimizer<double> optimizer(p.parameters(), RoutingOptions{}, 1);
  auto state = optimizer.state();
  state["s/b/step"] = make_tensor<float>({}, std::vector<float>{3});
  optimizer.load_state(state, "state");
  EXPECT_EQ(optimizer.state_of("b").at("step").to<std::int64_t>()[0], 3);
}

TEST(OptimizerState, StartSetsWhatIsGiven) {
  Pair p;
  Optimizer<double> optimizer(p.parameters(), RoutingOptions{}, 1);
  const std::vector<double> values(24, 7);
  optimizer.start_from("a", {{"momentum_buffer", make_tensor<double>({4, 6}, values)}}, "in");
  EXPECT_EQ(optimizer.state_of("a").at("momentum_buffer").to<double>(), values);
  EXPECT_EQ(optimizer.state_of("a").at("step").to<std::int64_t>()[0], 0);
  EXPECT_MENTIONS(
      message_of<ConfigError>([&] {
        optimizer.start_from("a", {{"momentum_bufer", make_tensor<double>({4, 6}, values)}}, "in");
      }),
      "did you mean 'momentum_buffer'?");
  EXPECT_MENTIONS(message_of<ConfigError>([&] { optimizer.start_from("nobody", {}, "in"); }),
                  "no parameter of this name");
  // Averages with bias correction mean nothing without the count.
  EXPECT_MENTIONS(message_of<ConfigError>([&] {
                    optimizer.start_from(
                        "b", {{"exp_avg", make_tensor<double>({5}, std::vector<double>(5, 1))}},
                        "in");
                  }),
                  "in: s/b/step: missing");
}

// A buffer that is given is a past: PyTorch's first step, which starts the buffer at G, is over.
TEST(OptimizerState, SgdGoesOnFromAGivenBuffer) {
  Owned<> a("a", {2}, Role::bias, 0);
  Optimizer<double> optimizer({a.parameter}, only("sgd", 1, R"({"momentum": 0.5})"), 1);
  optimizer.start_from(
      "a", {{"momentum_buffer", make_tensor<double>({2}, std::vector<double>{4, 4})}}, "in");
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights[0], -3);
}

}  // namespace
}  // namespace muonflow::optim
