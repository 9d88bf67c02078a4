#include "muonflow/flow/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

Problem<double> moving_problem(const std::vector<std::string>& sets = {}) {
  auto problem = make_problem<double>(options_of(kSmall, sets));
  problem.state.M = 0.7 * problem.state.W;
  EXPECT_TRUE(problem.system.refresh(problem.state).ok());
  return problem;
}

TEST(Measure, NormsAndRatesAreThoseOfTheMatrices) {
  auto problem = moving_problem({"geometry.weight=2"});
  const auto& state = problem.state;
  Matrix<double> V;
  Kinetic kinetic;
  ASSERT_TRUE(problem.system.velocity(state.M, V, kinetic).ok());
  Statistics s;
  ASSERT_TRUE(measure(problem.system, state, s).ok());
  const double n = 16, close = 1e-13;
  EXPECT_NEAR(s.total.weight_norm, state.W.norm() / std::sqrt(n), close);
  EXPECT_NEAR(s.total.momentum_norm, state.M.norm() / std::sqrt(n), close);
  EXPECT_NEAR(s.total.force_norm, state.G.norm() / std::sqrt(n), close);
  EXPECT_NEAR(s.total.velocity_norm, V.norm() / std::sqrt(n), close);
  EXPECT_NEAR(s.total.dissipation, kinetic.rate, close);
  EXPECT_NEAR(s.total.power, state.G.cwiseProduct(V).sum() / n, close);
  EXPECT_NEAR(s.force_momentum, state.G.cwiseProduct(state.M).sum() / n, close);
  EXPECT_NEAR(s.total.alignment * s.total.force_norm * s.total.force_norm, s.total.power, close);
  EXPECT_EQ(s.total.kinetic, problem.system.kinetic_energy(state));
  ASSERT_EQ(s.blocks.size(), 1u);
  EXPECT_EQ(s.blocks[0].spectrum.size(), 3u);
  EXPECT_EQ(s.blocks[0].momentum_op_norm, s.total.momentum_op_norm);
  EXPECT_NEAR(s.blocks[0].kinetic, s.total.kinetic, close);
}

// J' = -power and E' = -dissipation along the flow, and G' is what the force does.
TEST(Measure, RatesAreTheDerivativesAlongTheFlow) {
  auto problem = moving_problem({"integrator.kind=reference", "integrator.step=1e-4"});
  Statistics s;
  ASSERT_TRUE(measure(problem.system, problem.state, s).ok());
  auto later = problem.state;
  const double h = 1e-4;
  ASSERT_TRUE(problem.integrator->step(problem.system, h, later).outcome.ok());
  const auto& now = problem.state;
  // One-sided differences err by h/2 second derivatives of order 10.
  EXPECT_NEAR((later.objective - now.objective) / h, -s.total.power, 1e-2);
  EXPECT_NEAR((problem.system.energy(later) - problem.system.energy(now)) / h, -s.total.dissipation,
              1e-2);
  EXPECT_NEAR((later.G - now.G).cwiseProduct(now.M).sum() / h / 16, s.turning, 1e-2);
  EXPECT_NEAR((later.G - now.G).norm() / h / 4, s.turning_norm, 1e-2);
  EXPECT_GT(s.turning_norm, 0.1);
}

TEST(Measure, BlocksAddUpToTheTotal) {
  const auto options = options_of(R"(
[objective]
kind = "moe"
[geometry]
kind = "smoothed_nuclear"
epsilon = 0.1
[particles]
count = 6
shape = [3, 2]
[record]
every = 0.1
[integrator]
kind = "leapfrog"
step = 0.02
end_time = 0.4
)");
  auto times = options.times();
  times.statistics = true;
  struct Keep : Observer<double> {
    std::vector<LedgerEntry> entries;
    void record(const System<double>&, const State<double>&, const LedgerEntry& entry) override {
      entries.push_back(entry);
    }
  } keep;
  auto problem = make_problem<double>(options);
  Cursor cursor;
  ASSERT_TRUE(begin(problem.system, problem.state, cursor).ok());
  ASSERT_EQ(
      simulate<double>(times, problem.system, *problem.integrator, problem.state, cursor, keep)
          .ended,
      Ended::finished);
  ASSERT_EQ(keep.entries.size(), 5u);
  const auto& s = *keep.entries.back().statistics;
  ASSERT_GT(s.blocks.size(), 1u);
  double kinetic = 0, dissipation = 0, power = 0;
  for (const auto& block : s.blocks) {
    EXPECT_FALSE(block.name.empty());
    EXPECT_GT(block.kinetic, 0);
    kinetic += block.kinetic;
    dissipation += block.dissipation;
    power += block.power;
  }
  EXPECT_NEAR(kinetic, s.total.kinetic, 1e-13 * kinetic);
  EXPECT_NEAR(dissipation, s.total.dissipation, 1e-13 * dissipation);
  EXPECT_NEAR(power, s.total.power, 1e-13);
  const auto shares = split_dissipation(2.0, *keep.entries[3].statistics, s);
  EXPECT_EQ(shares.size(), s.blocks.size());
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 2, 1e-14);
}

TEST(Measure, MomentumFreeVelocityFollowsTheForce) {
  auto problem = make_problem<double>(options_of(kSmall, {"dynamics.kind=momentum_free"}));
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  Statistics s;
  ASSERT_TRUE(measure(problem.system, problem.state, s).ok());
  EXPECT_GT(s.total.power, 0);
  EXPECT_EQ(s.total.dissipation, s.total.power);
  EXPECT_EQ(s.total.kinetic, 0);
  EXPECT_EQ(s.turning, 0);
}

}  // namespace
}  // namespace muonflow::flow
