#include "muonflow/optim/transforms/cautious.hpp"

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(Cautious, DecaysOnlyWhatTheStepBringsTowardsZero) {
  Owned<> a("a", {4}, Role::bias);
  a.weights = {1, 1, -1, 1};
  a.gradient = {2, -2, 2, 0};
  auto options = only("sgd", 0.1);
  options.hidden.weight_decay = 0.5;
  options.hidden.decay = Decay::before;
  options.hidden.transforms.cautious.decay = true;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[0], 0.95 - 0.2);
  EXPECT_DOUBLE_EQ(a.weights[1], 1 + 0.2);
  EXPECT_DOUBLE_EQ(a.weights[2], -1 - 0.2);
  EXPECT_DOUBLE_EQ(a.weights[3], 0.95);
}

TEST(Cautious, DecayAfterTheStepLooksAtTheNewWeights) {
  Matrix<double> w(1, 2);
  w << 0.1, 1;
  Matrix<double> d(1, 2);
  d << 2, 2;
  cautious_step<double>(w, d, 0.1, 0.5, false);
  EXPECT_DOUBLE_EQ(d(0, 0), 0.1 - 0.2) << "it has crossed 0 and is pushed away from it";
  EXPECT_DOUBLE_EQ(d(0, 1), 0.5 * (1 - 0.2));
}

// Momentum points one way, the gradient another: that entry stays, the others take its share.
TEST(Cautious, UpdatesOnlyWhereSignsAgree) {
  Owned<> a("a", {4}, Role::bias, 0);
  auto options = only("sgd", 1, R"({"momentum": 0.9})");
  options.hidden.transforms.cautious.updates = true;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  a.gradient = {1, 1, 1, 1};
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, (std::vector<double>{-1, -1, -1, -1}));
  a.gradient = {1, 1, 1, -0.5};  // the sum is 0.4
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[0], -1 - 1.9 * 4 / 3);
  EXPECT_EQ(a.weights[3], -1);
}

TEST(Cautious, NoEntryAgrees) {
  Owned<> a("a", {2}, Role::bias, 0, 0);
  auto options = only("sgd", 1);
  options.hidden.transforms.cautious.updates = true;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, (std::vector<double>{0, 0}));
}

TEST(Cautious, RefusesRulesThatGiveWeights) {
  Owned<> a("a", {4, 4});
  auto options = only("toy_weights", 0.1);
  options.hidden.transforms.cautious.decay = true;
  EXPECT_MENTIONS(message_of<ConfigError>([&] { Optimizer<double>({a.parameter}, options, 1); }),
                  "transforms.cautious.decay: rule 'toy_weights' gives new weights");
}

}  // namespace
}  // namespace muonflow::optim
