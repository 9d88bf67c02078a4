#include "muonflow/optim/enrolled.hpp"

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(Enrolled, OneLineMakesARuleKnown) {
  const auto& entry = rules().at("toy_sketch");
  EXPECT_EQ(entry.info.decay, Decay::after);
  const auto fields = describe_rule(entry);
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].name, "rank");
}

TEST(Enrolled, DeltaTakesTheLearningRateItself) {
  Owned<> a("a", {4, 4}, Role::hidden, 1, 2);
  Optimizer<double> optimizer({a.parameter}, only("toy_delta", 0.25), 1);
  ASSERT_TRUE(optimizer.step(0.5).outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[5], 1 - 0.25 * 0.5 * 2);
}

TEST(Enrolled, DeltaSeesTheScale) {
  Owned<> a("a", {8, 2});
  auto options = only("toy_delta", 0.25);
  options.hidden.adjust_lr = Scale::original;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[5], 1 - 0.25 * 2);
}

TEST(Enrolled, WeightsReplaceTheOldOnesAndDecayComesFirst) {
  Owned<> a("a", {4, 4}, Role::hidden, 3);
  auto options = only("toy_weights", 0.5);
  options.hidden.weight_decay = 0.1;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_DOUBLE_EQ(a.weights[7], 3 * (1 - 0.5 * 0.1) * 0.5);
}

TEST(Enrolled, SkippedStepLeavesWeightsAndDecayAlone) {
  Owned<> a("a", {4, 6});
  auto options = only("toy_sketch", 0.1);
  options.hidden.weight_decay = 0.5;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  const auto before = a.weights;
  const auto report = optimizer.step();
  ASSERT_TRUE(report.outcome.ok());
  EXPECT_FALSE(report.outcome.changed);
  EXPECT_EQ(a.weights, before);
  EXPECT_EQ(optimizer.steps(), 1);
  ASSERT_TRUE(optimizer.step().outcome.changed);
  EXPECT_NE(a.weights, before);
}

TEST(Enrolled, RandomNumbersComeFromSeedTensorAndStepAlone) {
  const auto run = [](std::uint64_t seed, int halt) {
    Owned<> a("a", {4, 6});
    Owned<> b("b", {4, 6});
    auto optimizer = std::make_unique<Optimizer<double>>(std::vector{a.parameter, b.parameter},
                                                         only("toy_sketch", 0.1), seed);
    for (int t = 0; t < 5; ++t) {
      if (t == halt) {
        const auto saved = optimizer->state();
        optimizer = std::make_unique<Optimizer<double>>(std::vector{a.parameter, b.parameter},
                                                        only("toy_sketch", 0.1), seed);
        optimizer->load_state(saved, "saved");
      }
      EXPECT_TRUE(optimizer->step().outcome.ok());
    }
    EXPECT_NE(a.weights, b.weights);
    return a.weights;
  };
  EXPECT_EQ(run(1, -1), run(1, 3));
  EXPECT_NE(run(1, -1), run(2, -1));
}

TEST(Enrolled, StateOfAStackHasOneMatrixEach) {
  Owned<> a("a", {3, 4, 6});
  Optimizer<double> optimizer({a.parameter}, only("toy_sketch", 0.1), 1);
  const auto state = optimizer.state();
  EXPECT_EQ(state.at("s/a/Q").shape, (Shape{3, 6, 2}));
  EXPECT_EQ(state.at("s/a/momentum_buffer").shape, (Shape{3, 4, 6}));
  const auto q = state.at("s/a/Q").to<double>();
  EXPECT_NE(std::vector(q.begin(), q.begin() + 12), std::vector(q.begin() + 12, q.begin() + 24));
}

TEST(Enrolled, StateOfSplitRowsIsNamedByPart) {
  Owned<> a("a", {6, 4});
  auto options = only("toy_sketch", 0.1);
  options.hidden.split_sizes = {2, 4};
  Optimizer<double> optimizer({a.parameter}, options, 1);
  EXPECT_EQ(optimizer.state().at("s/a/momentum_buffer").shape, (Shape{6, 4}));
  // Q is [cols, rank] for both parts, so they are one tensor.
  EXPECT_EQ(optimizer.state().at("s/a/Q").shape, (Shape{2, 4, 2}));
}

}  // namespace
}  // namespace muonflow::optim
