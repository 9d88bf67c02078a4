#include "muonflow/optim/transforms/momentum_warmup.hpp"

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(MomentumWarmup, RisesToTheRulesOwn) {
  const MomentumWarmup warmup{.start = 0.85, .steps = 10};
  EXPECT_DOUBLE_EQ(warmup.momentum(0, 0.95), 0.85);
  EXPECT_DOUBLE_EQ(warmup.momentum(5, 0.95), 0.9);
  EXPECT_EQ(warmup.momentum(10, 0.95), 0.95);
  EXPECT_EQ(MomentumWarmup{}.momentum(0, 0.95), 0.95) << "off";
}

// A group's own warmup comes before the optimizer's; others keep the optimizer's.
TEST(MomentumWarmup, AGroupMayHaveItsOwn) {
  Owned<> a("a", {2}, Role::bias, 0);
  Owned<> b("b", {2}, Role::bias, 0);
  auto options = only("sgd", 1.0, R"({"momentum": 0.8})");
  options.momentum_warmup = {.start = 0.4, .steps = 4};
  options.groups = {{.momentum_warmup = {.start = 0.2, .steps = 2}, .patterns = {"b"}}};
  Optimizer<double> optimizer({a.parameter, b.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  ASSERT_TRUE(optimizer.step().outcome.ok());
  // Step 1: momentum 0.4 + 0.4 / 4 and 0.2 + 0.6 / 2.
  EXPECT_NEAR(a.weights[0], -1 - 1.5, 1e-15);
  EXPECT_NEAR(b.weights[0], -1 - 1.5, 1e-15);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_NEAR(a.weights[0], -2.5 - (0.6 * 1.5 + 1), 1e-15);
  EXPECT_NEAR(b.weights[0], -2.5 - (0.8 * 1.5 + 1), 1e-15);
}

}  // namespace
}  // namespace muonflow::optim
