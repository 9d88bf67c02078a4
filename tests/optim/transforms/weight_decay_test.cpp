#include "muonflow/optim/transforms/weight_decay.hpp"

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(WeightDecay, KeepsWhatItsFormSays) {
  const double lr = 0.5 * 0.1;  // the group's 0.1 at schedule 0.5
  EXPECT_DOUBLE_EQ(kept_weight(Decay::before, lr, 0.5, 0.2), 1 - 0.01);
  EXPECT_DOUBLE_EQ(kept_weight(Decay::after, lr, 0.5, 0.2), 1 - 0.01);
  EXPECT_DOUBLE_EQ(kept_weight(Decay::coupled, lr, 0.5, 0.2), 1);
  EXPECT_DOUBLE_EQ(kept_weight(Decay::independent, lr, 0.5, 0.2), 1 - 0.1);
  EXPECT_DOUBLE_EQ(kept_weight(Decay::corrected, lr, 0.5, 0.2), 1 - 0.005);
  EXPECT_EQ(kept_weight(Decay::corrected, 0.1, 1, 0.2), kept_weight(Decay::before, 0.1, 1, 0.2));
  EXPECT_MENTIONS(message_of<ConfigError>([] { kept_weight(Decay::automatic, 1, 1, 1); }),
                  "corrected");
}

TEST(WeightDecay, ComesFirstOrNot) {
  EXPECT_TRUE(decays_first(Decay::before));
  EXPECT_TRUE(decays_first(Decay::independent));
  EXPECT_TRUE(decays_first(Decay::corrected));
  EXPECT_FALSE(decays_first(Decay::after));
  EXPECT_FALSE(decays_first(Decay::coupled));
}

// Corrected decay falls with the square of the learning rate: (1 - lr s^2 wd) W with no gradient.
TEST(WeightDecay, CorrectedInTheDriver) {
  Owned<> a("a", {2}, Role::bias, 1, 0);
  auto options = only("sgd", 0.1);
  options.hidden.weight_decay = 0.2;
  options.hidden.decay = Decay::corrected;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step(0.5).outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[0], 1 - 0.1 * 0.25 * 0.2);
}

}  // namespace
}  // namespace muonflow::optim
