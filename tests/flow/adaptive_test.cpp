#include "muonflow/flow/adaptive.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

FlowOptions adaptive(const std::string& kind, double tolerance, double step = 0.01) {
  return options_of(kSmall,
                    {"integrator.kind=" + kind, "integrator.step=" + shortest(step),
                     "integrator.adaptive=true", "integrator.tolerance=" + shortest(tolerance)});
}

double error_of(const Finished<double>& run) {
  static const Finished<double> exact(
      options_of(kSmall, {"integrator.kind=reference", "integrator.step=0.5"}));
  return (run.problem.state.W - exact.problem.state.W).norm() +
         (run.problem.state.M - exact.problem.state.M).norm();
}

class Adaptive : public ::testing::TestWithParam<std::string> {};

TEST_P(Adaptive, ErrorFollowsTheTolerance) {
  const int order = integrators().at(GetParam()).info.order;
  const double tolerance = order == 1 ? 1e-5 : 1e-6;
  const Finished<double> rough(adaptive(GetParam(), tolerance));
  const Finished<double> fine(adaptive(GetParam(), tolerance / 64));
  ASSERT_EQ(rough.result.ended, Ended::finished);
  ASSERT_EQ(fine.result.ended, Ended::finished);
  EXPECT_EQ(fine.problem.state.time, 2);
  // Local errors h^(p+1) ~ tolerance, global ones h^p ~ tolerance^(p / (p + 1)).
  const double gain = std::pow(64, order / (order + 1.0));
  EXPECT_LT(error_of(fine), error_of(rough) / (0.4 * gain));
  EXPECT_GT(fine.cursor.step, rough.cursor.step);
}

TEST_P(Adaptive, FindsItsStepFromAnyFirstOne) {
  const Finished<double> small(adaptive(GetParam(), 1e-4, 1e-5));
  const Finished<double> large(adaptive(GetParam(), 1e-4, 1));
  ASSERT_EQ(small.result.ended, Ended::finished);
  ASSERT_EQ(large.result.ended, Ended::finished);
  // From 1e-5 it grows five-fold a step: some ten steps more.
  EXPECT_NEAR(static_cast<double>(small.cursor.step), static_cast<double>(large.cursor.step),
              12 + 0.1 * static_cast<double>(large.cursor.step));
  EXPECT_LT(error_of(large), 0.2);
}

INSTANTIATE_TEST_SUITE_P(Integrators, Adaptive,
                         ::testing::Values("muon", "leapfrog", "discrete_gradient", "rk4"),
                         [](const auto& each) { return each.param; });

TEST(Adaptive, GoesOnWithTheSameBits) {
  const auto options = adaptive("leapfrog", 1e-5);
  const Finished<double> whole(options);
  struct Stops : Observer<double> {
    bool after_step(const State<double>&, const Cursor& cursor) override { return cursor.step < 9; }
  } stop;
  auto first = make_problem<double>(options);
  Cursor cursor;
  ASSERT_TRUE(begin(first.system, first.state, cursor).ok());
  simulate<double>(options.times(), first.system, *first.integrator, first.state, cursor, stop);
  auto second = make_problem<double>(options);
  second.state = state_from<double>(state_tensors(first.state), first.state.layout, "checkpoint");
  second.state.time = first.state.time;
  ASSERT_TRUE(resume(second.system, second.state, cursor).ok());
  Observer<double> nobody;
  simulate<double>(options.times(), second.system, *second.integrator, second.state, cursor,
                   nobody);
  EXPECT_TRUE(second.state.W == whole.problem.state.W);
  EXPECT_TRUE(second.state.M == whole.problem.state.M);
  EXPECT_EQ(cursor.step, whole.cursor.step);
}

TEST(Adaptive, LeavesTheReferenceAloneAndRefusesRelaxed) {
  EXPECT_THROW(adaptive("relaxed", 1e-5), ConfigError);
  const Finished<double> run(adaptive("reference", 1e-10, 0.5));
  EXPECT_EQ(run.cursor.step, 4);
}

TEST(Adaptive, SaysWhenNoStepIsShortEnough) {
  const Finished<double> run(options_of(R"(
objective = {kind = "quadratic", lambda = 1e300}
geometry = {kind = "frobenius"}
integrator = {kind = "leapfrog", step = 1.0, end_time = 2.0, adaptive = true}
particles = {count = 2, shape = [2, 2]}
)"));
  EXPECT_EQ(run.result.ended, Ended::failed);
  EXPECT_FALSE(run.result.outcome.ok());
}

}  // namespace
}  // namespace muonflow::flow
