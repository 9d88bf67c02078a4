#include "muonflow/flow/noise.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

TEST(AddNoise, IsIndependentNormalOfItsDeviation) {
  const Layout layout(2000, 2, 3);
  Matrix<double> a = Matrix<double>::Zero(2000, 6), b = a;
  add_noise(0.5, 7, 0, layout, a);
  add_noise(0.5, 7, 1, layout, b);
  const auto n = static_cast<double>(a.size());
  // Five standard deviations of the mean, the mean square and the mean product of n normals.
  EXPECT_NEAR(a.mean() / 0.5, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(a.squaredNorm() / n / 0.25, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(a.cwiseProduct(b).mean() / 0.25, 0, 5 / std::sqrt(n));
}

TEST(AddNoise, DependsOnSeedParticleAndStepAlone) {
  const Layout all(300, 2, 3);
  const auto shard = all.shard(1, 2);
  Matrix<double> whole = Matrix<double>::Zero(300, 6), again = whole, other = whole;
  Matrix<double> part = Matrix<double>::Zero(shard.particles(), 6);
  add_noise(1, 3, 41, all, whole);
  set_threads(4);
  add_noise(1, 3, 41, all, again);
  set_threads(0);
  add_noise(1, 3, 41, shard, part);
  add_noise(1, 4, 41, all, other);
  EXPECT_TRUE(whole == again);
  EXPECT_TRUE(part == whole.middleRows(shard.first(), shard.particles()));
  EXPECT_FALSE(whole == other);
}

TEST(Noise, MomentumIsItsMovingAverage) {
  // A flat objective: M_{k+1} = (1 - gamma h) M_k + gamma h sigma Z_k, whose stationary variance is
  // sigma^2 gamma h / (2 - gamma h).
  const Finished<double> run(options_of(R"(
objective = {kind = "quadratic", lambda = 1e-12}
geometry = {kind = "frobenius", weight = 1e-9}
dynamics = {gamma = 1.0, noise = 2.0}
integrator = {kind = "muon", step = 0.1, end_time = 20.0}
particles = {count = 4000, shape = [2, 2]}
)"));
  ASSERT_EQ(run.result.ended, Ended::finished);
  const auto& M = run.problem.state.M;
  const auto n = static_cast<double>(M.size());
  EXPECT_NEAR(M.squaredNorm() / n, 4 * 0.1 / 1.9, 5 * std::sqrt(2 / n));
}

TEST(Noise, SameBitsAfterAResumeAndNoneWithoutIt) {
  const std::vector<std::string> sets{"integrator.kind=muon", "integrator.step=0.01",
                                      "integrator.end_time=0.3"};
  auto noisy = sets;
  noisy.emplace_back("dynamics.noise=0.2");
  const auto options = options_of(kSmall, noisy);
  const Finished<double> whole(options);
  const Finished<double> quiet(options_of(kSmall, sets));
  EXPECT_GT((whole.problem.state.M - quiet.problem.state.M).norm(), 0.05);

  auto half = options;
  half.integrator.end_time = 0.1;
  const Finished<double> first(half);
  auto second = make_problem<double>(options);
  second.state.W = first.problem.state.W;
  second.state.M = first.problem.state.M;
  second.state.time = first.problem.state.time;
  auto cursor = first.cursor;
  ASSERT_TRUE(resume(second.system, second.state, cursor).ok());
  Observer<double> nobody;
  simulate<double>(options.times(), second.system, *second.integrator, second.state, cursor,
                   nobody);
  EXPECT_TRUE(second.state.W == whole.problem.state.W);
}

TEST(Noise, IsRefusedWhereTheSchemeIsForSmoothPaths) {
  EXPECT_THROW(options_of(kSmall, {"dynamics.noise=0.1"}), ConfigError);
  auto options = options_of(kSmall);
  options.dynamics.noise = 0.1;
  EXPECT_THROW(make_problem<double>(options), ConfigError);
}

}  // namespace
}  // namespace muonflow::flow
