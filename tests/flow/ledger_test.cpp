#include "muonflow/flow/ledger.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

TEST(Ledger, ErrorIsWhatTheEntriesSay) {
  const Finished<double> run(options_of(kSmall, {"integrator.kind=muon", "integrator.step=0.01"}));
  const auto& first = run.records.front();
  EXPECT_EQ(first.time, 0);
  EXPECT_EQ(first.ledger_error, 0);
  EXPECT_EQ(first.dissipated, 0);
  for (const auto& r : run.records) {
    EXPECT_NEAR(r.energy, r.objective + r.kinetic, 1e-15 * r.energy);
    EXPECT_NEAR(r.ledger_error, first.energy - r.energy - r.dissipated, 1e-15);
    // inf J = 0 for squared risk with free features and targets inside (-1, 1).
    EXPECT_NEAR(r.relative_ledger_error, std::abs(r.ledger_error) / first.energy, 1e-15);
  }
  EXPECT_GT(run.records.back().dissipated, 0);
}

TEST(Ledger, MomentumStaysBelowTheLargestForce) {
  // The momentum is an average of forces that starts at 0.
  const Finished<double> run(
      options_of(kSmall, {"integrator.kind=leapfrog", "integrator.step=0.01"}));
  EXPECT_GT(run.records.back().momentum_op_norm, 0);
  EXPECT_EQ(run.records.front().momentum_op_norm, 0);
}

TEST(Ledger, SumsManySmallDissipationsWithoutLoss) {
  auto problem = make_problem<double>(options_of(kSmall));
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  auto ledger = Ledger::start(problem.system, problem.state);
  ledger.dissipated = 1;
  for (int i = 0; i < 100000; ++i) ledger.add(problem.system, problem.state, 1e-17);
  // 1e-17 is lost a hundred thousand times by a plain sum.
  EXPECT_NEAR(ledger.dissipated - 1, 1e-12, 1e-15);
}

TEST(FitRate, FindsAnExponentialAndItsInterval) {
  std::vector<double> times, energies;
  for (int i = 0; i <= 100; ++i) {
    times.push_back(0.1 * i);
    const double wiggle = 1 + 0.01 * std::sin(40.0 * i);
    energies.push_back(2 + 3 * std::exp(-0.7 * times.back()) * wiggle);
  }
  const auto fit = fit_rate(times, energies, 2);
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->points, 51);
  EXPECT_LT(fit->low, 0.7);
  EXPECT_GT(fit->high, 0.7);
  EXPECT_NEAR(fit->rate, 0.7, 0.01);
}

TEST(FitRate, NeedsPointsAboveRoundOff) {
  EXPECT_FALSE(fit_rate(std::vector{0.0, 1.0, 2.0}, std::vector{3.0, 2.0, 1.0}, 0));
  const std::vector<double> times{0, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_FALSE(fit_rate(times, std::vector<double>(9, 1.0), 1));
  EXPECT_FALSE(fit_rate({}, {}, 0));
}

}  // namespace
}  // namespace muonflow::flow
