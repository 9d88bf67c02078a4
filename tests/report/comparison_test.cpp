#include "muonflow/report/comparison.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace muonflow::report {
namespace {

TrainingRun run(std::vector<double> losses) {
  TrainingRun run;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const auto step = 10.0 * static_cast<double>(i);
    run.at_validation.step.push_back(step);
    run.at_validation.tokens.push_back(100 * step);
    run.at_validation.seconds.push_back(step / 2);
  }
  run.validation = std::move(losses);
  return run;
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(CommonLoss, IsTheWorstOfTheBest) {
  const std::vector<TrainingRun> runs{run({4, 2, 1}), run({4, 3, 3.5}), run({4, kNaN, 2.5})};
  EXPECT_EQ(common_validation_loss(runs), 3);
}

TEST(CommonLoss, LeavesOutRunsWithoutEvaluations) {
  const std::vector<TrainingRun> runs{run({4, 2}), run({}), run({kNaN})};
  EXPECT_EQ(common_validation_loss(runs), 2);
  EXPECT_FALSE(common_validation_loss(std::vector<TrainingRun>{run({})}));
}

TEST(Arrival, IsTheFirstEvaluationAtOrBelow) {
  const auto one = run({4, 3, 2.5, 2.7, 2});
  const auto at = arrival(one, 2.5);
  ASSERT_TRUE(at);
  EXPECT_EQ(at->step, 20);
  EXPECT_EQ(at->tokens, 2000);
  EXPECT_EQ(at->seconds, 10);
  EXPECT_EQ(arrival(one, 2.6)->step, 20);
  EXPECT_FALSE(arrival(one, 1.9));
}

}  // namespace
}  // namespace muonflow::report
