#include "muonflow/optim/transforms/grafting.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

double norm(const std::vector<double>& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

std::vector<double> steps_of(const RoutingOptions& options, int steps) {
  Owned<> a("a", {4, 6}, Role::hidden, 0);
  Optimizer<double> optimizer({a.parameter}, options, 1);
  std::vector<double> last;
  for (int t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < a.gradient.size(); ++i) {
      a.gradient[i] = std::cos(1.7 * static_cast<double>(i) + t);
    }
    const auto before = a.weights;
    EXPECT_TRUE(optimizer.step().outcome.ok());
    last = a.weights;
    for (std::size_t i = 0; i < last.size(); ++i) last[i] -= before[i];
  }
  return last;
}

// Parallel to one rule's step, as long as the other's; the shape scale is the grafted rule's.
TEST(Grafting, TakesTheDirectionOfOneAndTheNormOfTheOther) {
  auto options = only("muon", 0.1);
  const auto direction = steps_of(options, 3);
  options.hidden.transforms.grafting.rule = "adamw";
  const auto grafted = steps_of(options, 3);
  const auto size = steps_of(only("adamw", 0.1), 3);
  EXPECT_NEAR(norm(grafted), norm(size), 1e-14 * norm(size) * 24);
  const double ratio = norm(grafted) / norm(direction);
  for (std::size_t i = 0; i < grafted.size(); ++i) {
    EXPECT_NEAR(grafted[i], ratio * direction[i], 1e-14 * norm(grafted) * 24);
  }
}

TEST(Grafting, OptionsAreTheGraftedRules) {
  auto options = only("muon", 0.1);
  options.hidden.transforms.grafting.rule = "sgd";
  options.hidden.transforms.grafting.options = OptionsTree(R"({"momentum": 0.5})");
  EXPECT_NEAR(norm(steps_of(options, 3)),
              norm(steps_of(only("sgd", 0.1, R"({"momentum": 0.5})"), 3)), 1e-14 * 24);
  options.hidden.transforms.grafting.options = OptionsTree(R"({"momentm": 0.5})");
  EXPECT_MENTIONS(message_of<ConfigError>([&] { steps_of(options, 1); }),
                  "optimizer.hidden.transforms.grafting.options.momentm");
}

TEST(Grafting, StateOfBothIsSaved) {
  Owned<> a("a", {4, 6});
  auto options = only("muon", 0.1);
  options.hidden.transforms.grafting.rule = "adamw";
  Optimizer<double> optimizer({a.parameter}, options, 1);
  const auto state = optimizer.state();
  for (const auto* name : {"momentum_buffer", "graft.exp_avg", "graft.exp_avg_sq"}) {
    ASSERT_TRUE(state.contains("s/a/" + std::string(name))) << name;
    EXPECT_EQ(state.at("s/a/" + std::string(name)).shape, (Shape{4, 6}));
  }
  EXPECT_EQ(optimizer.state_bytes(), 3 * 24 * sizeof(double));
}

TEST(Grafting, RefusesRulesThatDoNotFit) {
  const auto refusal = [](const std::string& rule, const std::string& graft) {
    auto options = only(rule, 0.1);
    options.hidden.transforms.grafting.rule = graft;
    return message_of<ConfigError>([&] { steps_of(options, 1); });
  };
  EXPECT_MENTIONS(refusal("muon", "adamv"), "did you mean");
  EXPECT_MENTIONS(refusal("toy_weights", "sgd"), "gives new weights");
  EXPECT_MENTIONS(refusal("muon", "toy_delta"), "results of different kinds");
  auto both = only("muon", 0.1);
  both.hidden.transforms.grafting.rule = "sgd";
  both.hidden.transforms.spectral_normalization.kind = NormKind::spectral;
  EXPECT_MENTIONS(message_of<ConfigError>([&] { steps_of(both, 1); }), "both set the size");
}

}  // namespace
}  // namespace muonflow::optim
