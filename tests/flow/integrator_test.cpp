#include "muonflow/flow/integrator.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <array>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

std::vector<std::string> with(const std::string& integrator, double h, double end_time) {
  return {"integrator.kind=" + integrator, "integrator.step=" + std::to_string(h),
          "integrator.end_time=" + std::to_string(end_time)};
}

// A walk over the registry: whatever is enrolled shows the order it declares, in the state and in
// the ledger.
class EveryIntegrator : public ::testing::TestWithParam<IntegratorEntry> {};

TEST_P(EveryIntegrator, HasItsDeclaredOrder) {
  const auto& info = GetParam().info;
  // Steps at which the error is far above round-off and the next order far below the leading one.
  const double longest =
      std::array{0.0, 0.004, 0.01, 0.01, 0.01}[static_cast<std::size_t>(info.order)];
  const std::vector<double> steps{longest, longest / 2, longest / 4};
  const auto exact = Finished<double>(options_of(kSmall, with("rk4", 0.0005, 2)));
  std::vector<double> state_errors, ledger_errors;
  for (const double h : steps) {
    const Finished<double> run(options_of(kSmall, with(std::string(info.name), h, 2)));
    ASSERT_EQ(run.result.ended, Ended::finished);
    state_errors.push_back((run.problem.state.W - exact.problem.state.W).norm() +
                           (run.problem.state.M - exact.problem.state.M).norm());
    double largest = 0;  // over the recorded times: at one of them the error may change its sign
    for (const auto& r : run.records) largest = std::max(largest, std::abs(r.ledger_error));
    ledger_errors.push_back(largest);
  }
  EXPECT_NEAR(slope_of(steps, state_errors), info.order, 0.15);
  EXPECT_NEAR(slope_of(steps, ledger_errors), info.order, 0.15);
}

TEST_P(EveryIntegrator, SameBitsForAnyNumberOfThreads) {
  const auto sets = with(GetParam().name, 0.01, 0.2);
  std::vector<Matrix<double>> weights;
  std::vector<double> dissipated;
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    auto all = sets;
    all.push_back("particles.count=200");  // several chunks, the last one not full
    const Finished<double> run(options_of(kSmall, all));
    weights.push_back(run.problem.state.W);
    dissipated.push_back(run.result.last.dissipated);
  }
  set_threads(0);
  EXPECT_TRUE(weights[0] == weights[1] && weights[0] == weights[2]);
  EXPECT_TRUE(dissipated[0] == dissipated[1] && dissipated[0] == dissipated[2]);
}

TEST_P(EveryIntegrator, FollowsMomentumFreeDynamicsOrSaysNo) {
  const auto& info = GetParam().info;
  auto sets = with(std::string(info.name), 0.01, 1);
  sets.push_back("dynamics.kind=momentum_free");
  const auto options = options_of(kSmall, sets);
  if (!info.momentum_free) {
    EXPECT_THROW(make_problem<double>(options), ConfigError);
    return;
  }
  const Finished<double> run(options);
  EXPECT_EQ(run.result.last.kinetic, 0);
  EXPECT_LT(run.result.last.objective, run.records.front().objective);
  // J' = -mean <G, grad Phi(G)>: the ledger closes to the integrator's order. Rates vary on the
  // scale 1/epsilon = 20, hence the 20 h.
  EXPECT_LT(run.result.last.relative_ledger_error, std::pow(20 * 0.01, info.order));
}

TEST_P(EveryIntegrator, WorksInFloat) {
  const auto sets = with(GetParam().name, 0.01, 0.5);
  const Finished<double> wide(options_of(kSmall, sets));
  const Finished<float> narrow(options_of(kSmall, sets));
  // 50 steps of roundings 6e-8 of entries of order 1, amplified by at most 1/epsilon = 20.
  EXPECT_LT((narrow.problem.state.W.cast<double>() - wide.problem.state.W).cwiseAbs().maxCoeff(),
            50 * 20 * 6e-8);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryIntegrator, ::testing::ValuesIn(integrators().all()),
                         [](const auto& entry) { return entry.param.name; });

TEST(Rk4, LedgerClosesAndEnergyFallsWhileTheObjectiveMayRise) {
  const Finished<double> run(options_of(kSmall));
  EXPECT_LT(run.cursor.ledger.largest_relative_error, 1e-9);
  EXPECT_EQ(run.cursor.ledger.energy_increases, 0);
  EXPECT_GT(run.cursor.ledger.objective_increases, 0);
}

// x'' + gamma x' + gamma lambda x = 0 for every entry x of W - C, with x' = -M.
struct Oscillator {
  double gamma, lambda, x0, v0;

  double x(double t) const {
    const double d = gamma * gamma / 4 - gamma * lambda;
    const double decay = std::exp(-gamma * t / 2);
    const double b = v0 + gamma / 2 * x0;
    if (d > 1e-12) {
      const double w = std::sqrt(d);
      return decay * (x0 * std::cosh(w * t) + b / w * std::sinh(w * t));
    }
    if (d < -1e-12) {
      const double w = std::sqrt(-d);
      return decay * (x0 * std::cos(w * t) + b / w * std::sin(w * t));
    }
    return decay * (x0 + b * t);
  }
};

class DampedOscillator : public ::testing::TestWithParam<double> {};  // gamma, with lambda = 1

TEST_P(DampedOscillator, FrobeniusFlowOnTheQuadraticIsTheClosedForm) {
  const double gamma = GetParam();
  auto config = Config::from_text(R"(
[objective]
kind = "quadratic"
lambda = 1.0
seed = 3
[geometry]
kind = "frobenius"
[integrator]
kind = "rk4"
step = 0.01
end_time = 3.0
[particles]
count = 4
shape = [2, 3]
seed = 5
)");
  config.set("dynamics.gamma=" + std::to_string(gamma));
  const auto options = read_options(config.tree(), config.place_of());
  auto problem = make_problem<double>(options);
  problem.state.M.setConstant(0.3);
  const auto start = problem.state;
  Cursor cursor;
  Observer<double> nobody;
  ASSERT_TRUE(begin(problem.system, problem.state, cursor).ok());
  const Matrix<double> C = start.W - problem.state.G;  // lambda = 1
  ASSERT_EQ(
      simulate(options.times(), problem.system, *problem.integrator, problem.state, cursor, nobody)
          .ended,
      Ended::finished);
  double worst = 0;
  for (Index k = 0; k < start.W.size(); ++k) {
    const Oscillator exact{gamma, 1, start.W.data()[k] - C.data()[k], -start.M.data()[k]};
    worst = std::max(worst, std::abs(problem.state.W.data()[k] - C.data()[k] - exact.x(3)));
  }
  // The method's global error: t h^4 (gamma + lambda)^5 / 120 with gamma at most 9, amplitudes
  // below 5.
  EXPECT_LT(worst, 5 * 3 * std::pow(0.01, 4) * std::pow(gamma + 1, 5) / 120);
}

INSTANTIATE_TEST_SUITE_P(Regimes, DampedOscillator, ::testing::Values(1.0, 4.0, 9.0));

TEST(MuonIntegrator, RefusesAStepThatMakesTheMomentumNegative) {
  auto sets = with("muon", 0.5, 1);
  sets.push_back("dynamics.gamma=3");
  EXPECT_THROW(make_problem<double>(options_of(kSmall, sets)), ConfigError);
}

// Conformally symplectic: the phase volume shrinks by exp(-gamma h) for each of the m n N momenta.
TEST(Leapfrog, ContractsPhaseVolumeExactly) {
  auto options =
      options_of(kSmall, {"integrator.kind=leapfrog", "particles.count=1", "particles.shape=[1, 2]",
                          "integrator.step=0.1", "geometry.epsilon=0.5"});
  auto problem = make_problem<double>(options);
  const auto flow = [&](const Eigen::Vector4d& y) {
    auto state = problem.state;
    state.W << y(0), y(1);
    state.M << y(2), y(3);
    EXPECT_TRUE(problem.system.refresh(state).ok());
    EXPECT_TRUE(problem.integrator->step(problem.system, 0.1, state).outcome.ok());
    return Eigen::Vector4d(state.W(0), state.W(1), state.M(0), state.M(1));
  };
  const Eigen::Vector4d y(0.3, -0.2, 0.4, 0.1);
  Eigen::Matrix4d jacobian;
  const double d = 1e-5;
  for (Index j = 0; j < 4; ++j) {
    jacobian.col(j) =
        (flow(y + d * Eigen::Vector4d::Unit(j)) - flow(y - d * Eigen::Vector4d::Unit(j))) / (2 * d);
  }
  // Central differences err by d^2 times third derivatives of order 10.
  EXPECT_NEAR(jacobian.fullPivLu().determinant(), std::exp(-2 * 0.1), 1e-8);
}

TEST(Integrators, UnknownNameIsAnsweredWithTheNearest) {
  const auto message = testing::message_of<ConfigError>([] { integrators().at("leapfrgo"); });
  EXPECT_NE(message.find("did you mean 'leapfrog'"), std::string::npos) << message;
}

}  // namespace
}  // namespace muonflow::flow
