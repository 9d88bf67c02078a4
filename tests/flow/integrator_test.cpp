#include "muonflow/flow/integrator.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <array>
#include <cmath>
#include <limits>
#include <ostream>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/text.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {

// What GoogleTest calls a parameter in its lists.
static void PrintTo(const IntegratorEntry& entry, std::ostream* out) { *out << entry.name; }

namespace {

std::vector<std::string> with(const std::string& integrator, double h, double end_time) {
  return {"integrator.kind=" + integrator, "integrator.step=" + shortest(h),
          "integrator.end_time=" + shortest(end_time)};
}

// kSmall at T = 2 to eleven digits.
const Finished<double>& exact() {
  static const Finished<double> run(options_of(kSmall, with("reference", 0.25, 2)));
  return run;
}

template <class T>
double distance(const State<T>& a, const State<T>& b) {
  return static_cast<double>((a.W - b.W).norm() + (a.M - b.M).norm());
}

// A walk over the registry: whatever is enrolled shows the order it declares, in the state and in
// the ledger; the ledger of those that close it is another test's.
class EveryIntegrator : public ::testing::TestWithParam<IntegratorEntry> {};

TEST_P(EveryIntegrator, HasItsDeclaredOrder) {
  const auto& info = GetParam().info;
  if (info.controls_error) {
    // Not the step but the tolerance decides: against the finest run of another method.
    const Finished<double> fine(options_of(kSmall, with("rk4", 0.001, 2)));
    // The error of rk4, 16 times less than at 0.002, and round-off.
    EXPECT_LT(distance(exact().problem.state, fine.problem.state), 2e-9);
    EXPECT_LT(exact().cursor.ledger.largest_relative_error, 1e-10);
    return;
  }
  // Steps at which the error is far above round-off and the next order far below the leading one.
  const double longest =
      std::array{0.0, 0.004, 0.01, 0.01, 0.01}[static_cast<std::size_t>(info.order)];
  const std::vector<double> steps{longest, longest / 2, longest / 4};
  std::vector<double> state_errors, ledger_errors;
  for (const double h : steps) {
    const Finished<double> run(options_of(kSmall, with(std::string(info.name), h, 2)));
    ASSERT_EQ(run.result.ended, Ended::finished);
    EXPECT_EQ(run.problem.state.time, 2);
    state_errors.push_back(distance(run.problem.state, exact().problem.state));
    double largest = 0;  // over the recorded times: at one of them the error may change its sign
    for (const auto& r : run.records) largest = std::max(largest, std::abs(r.ledger_error));
    ledger_errors.push_back(largest);
  }
  EXPECT_NEAR(slope_of(steps, state_errors), info.order, 0.15);
  if (info.closes_ledger) return;
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

// |E_{n+1} - E_n + dissipated| of every step, over the initial energy above inf J = 0.
struct StepLedger : Observer<double> {
  Problem<double> problem;
  Cursor cursor;
  SimulateResult result;
  double energy = 0, dissipated = 0, largest = 0, rise = 0;

  explicit StepLedger(const FlowOptions& options, double momentum = 0)
      : problem(make_problem<double>(options)) {
    problem.state.M = momentum * problem.state.W;
    EXPECT_TRUE(begin(problem.system, problem.state, cursor).ok());
    energy = cursor.ledger.energy;
    result = simulate<double>(options.times(), problem.system, *problem.integrator, problem.state,
                              cursor, *this);
  }
  bool after_step(const State<double>&, const Cursor& now) override {
    const double change = now.ledger.energy - energy;
    largest =
        std::max(largest, std::abs(change + now.ledger.dissipated - dissipated) / now.ledger.scale);
    rise = std::max(rise, change / now.ledger.scale);
    energy = now.ledger.energy;
    dissipated = now.ledger.dissipated;
    return true;
  }
};

class ClosesTheLedger : public ::testing::TestWithParam<std::string> {};

TEST_P(ClosesTheLedger, WhereMuonIsOffByPercents) {
  const std::vector<double> steps{0.1, 0.05, 0.025};
  std::vector<double> errors;
  for (const double h : steps) {
    const StepLedger run(options_of(kSmall, with(GetParam(), h, 2)));
    ASSERT_EQ(run.result.ended, Ended::finished);
    EXPECT_LT(run.largest, 1e-12) << h;
    EXPECT_LE(run.rise, 1e-15) << h;
    errors.push_back(distance(run.problem.state, exact().problem.state));
    const StepLedger muon(options_of(kSmall, with("muon", h, 2)));
    EXPECT_GT(muon.cursor.ledger.largest_relative_error, 0.02) << h;
    // A ledger can close on a wrong path: the state is nearer than muon's, ...
    EXPECT_LT(errors.back(), 0.5 * distance(muon.problem.state, exact().problem.state)) << h;
  }
  // ... and of second order, at these long steps not yet within 0.15.
  EXPECT_NEAR(slope_of(steps, errors), 2, 0.3);
}

// One particle, steep features, a large start: the energy's curvature along the path changes its
// sign, and the momentum passes near 0.
TEST_P(ClosesTheLedger, OnARoughPath) {
  auto sets = with(GetParam(), 0.05, 5);
  for (const char* set : {"particles.count=1", "objective.feature_scale=2", "particles.scale=2"}) {
    sets.emplace_back(set);
  }
  const StepLedger run(options_of(kSmall, sets));
  ASSERT_EQ(run.result.ended, Ended::finished);
  EXPECT_EQ(run.problem.state.time, 5);
  EXPECT_LT(run.largest, 1e-12);
}

TEST_P(ClosesTheLedger, ToTheRestAtTheMinimum) {
  // Energies fall to 1e-11 of the first, below the rounding of J where inf J is not 0.
  auto sets = with(GetParam(), 0.1, 40);
  sets.emplace_back("dynamics.gamma=3");
  const StepLedger run(options_of(kSmall, sets));
  ASSERT_EQ(run.result.ended, Ended::finished);
  EXPECT_LT(run.largest, 1e-12);
  EXPECT_LT(run.energy, 1e-9 * run.cursor.ledger.initial_energy);
  sets.emplace_back("objective.risk=logistic");
  const StepLedger floor(options_of(kSmall, sets));
  ASSERT_EQ(floor.result.ended, Ended::finished);
  EXPECT_LT(floor.largest, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Integrators, ClosesTheLedger,
                         ::testing::Values("relaxed", "discrete_gradient"),
                         [](const auto& each) { return each.param; });

TEST(DiscreteGradient, EnergyFallsForHugeSteps) {
  for (const double momentum : {0.0, 2.0}) {
    const StepLedger run(options_of(kSmall, with("discrete_gradient", 10, 30)), momentum);
    ASSERT_EQ(run.result.ended, Ended::finished);
    EXPECT_EQ(run.cursor.step, 3);
    EXPECT_LE(run.rise, 0);
    EXPECT_LT(run.largest, 1e-12);
  }
}

TEST(DiscreteGradient, TakesHugeStepsWholeWhereTheObjectiveIsConvex) {
  const auto options = options_of(R"(
objective = {kind = "quadratic", lambda = 2.0}
geometry = {kind = "smoothed_nuclear", epsilon = 0.1}
integrator = {kind = "discrete_gradient", step = 100.0, end_time = 1000.0}
particles = {count = 3, shape = [2, 3]}
)");
  const StepLedger run(options, 1);
  ASSERT_EQ(run.result.ended, Ended::finished);
  EXPECT_EQ(run.cursor.parts, run.cursor.step);
  EXPECT_LE(run.rise, 0);
  // The solver's tolerance is relative to gamma h |G|, a hundred times the force.
  EXPECT_LT(run.largest, 1e-11);
}

TEST(DiscreteGradient, SaysWhenItDoesNotConverge) {
  auto sets = with("discrete_gradient", 10, 10);
  sets.emplace_back("integrator.max_iterations=1");
  const Finished<double> run(options_of(kSmall, sets));
  EXPECT_EQ(run.result.ended, Ended::failed);
  EXPECT_EQ(run.result.outcome.status, Status::not_converged);
}

TEST(Relaxed, RelaxesTheTimeAndEndsOnTime) {
  auto problem = make_problem<double>(options_of(kSmall, with("relaxed", 0.05, 2)));
  auto state = problem.state;
  ASSERT_TRUE(problem.system.refresh(state).ok());
  const auto taken = problem.integrator->step(problem.system, 0.05, state);
  ASSERT_TRUE(taken.outcome.ok());
  EXPECT_NE(taken.elapsed, 0.05);
  EXPECT_NEAR(taken.elapsed, 0.05, 0.4 * 0.05);
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  const auto last = problem.integrator->last_step(problem.system, 0.05, problem.state);
  ASSERT_TRUE(last.outcome.ok());
  EXPECT_EQ(last.elapsed, 0.05);
  EXPECT_FALSE(state.W == problem.state.W);
}

TEST(Relaxed, SaysWhenThereIsNoRoot) {
  auto sets = with("relaxed", 1e8, 1e8);
  sets.emplace_back("dynamics.gamma=1e-8");
  sets.emplace_back("integrator.max_iterations=1");
  const Finished<double> run(options_of(kSmall, sets));
  EXPECT_EQ(run.result.ended, Ended::failed);
  EXPECT_EQ(run.result.outcome.status, Status::not_converged);
}

TEST(Reference, ErrorFollowsTheTolerance) {
  const std::vector<double> tolerances{1e-4, 1e-6, 1e-8};
  double before = std::numeric_limits<double>::infinity();
  for (const double tolerance : tolerances) {
    auto sets = with("reference", 2, 2);
    sets.push_back("integrator.tolerance=" + shortest(tolerance));
    const Finished<double> run(options_of(kSmall, sets));
    const double error = distance(run.problem.state, exact().problem.state);
    // Local errors of the tolerance, amplified over T = 2 by the curvature 1/epsilon = 20.
    EXPECT_LT(error, 100 * tolerance);
    EXPECT_LT(error, before / 5);
    before = error;
  }
}

TEST(Reference, SaysWhenItDiverges) {
  const Finished<double> run(options_of(R"(
objective = {kind = "quadratic", lambda = 1e300}
geometry = {kind = "frobenius"}
integrator = {kind = "reference", step = 1.0, end_time = 2.0}
particles = {count = 2, shape = [2, 2]}
)"));
  EXPECT_EQ(run.result.ended, Ended::failed);
  EXPECT_FALSE(run.result.outcome.ok());
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

// States without forces are stepped in one pass, which must be the same flow to the bit.
template <class T>
void expect_the_same_without_forces(const std::string& text) {
  const auto options = options_of(text);
  ASSERT_TRUE(options.can_do_without_forces());
  auto kept = make_problem<T>(options), freed = make_problem<T>(options);
  freed.state.keeps_forces = false;
  Observer<T> nobody;
  Cursor cursor_kept, cursor_freed;
  ASSERT_TRUE(begin(kept.system, kept.state, cursor_kept).ok());
  ASSERT_TRUE(begin(freed.system, freed.state, cursor_freed).ok());
  const auto a =
      simulate<T>(options.times(), kept.system, *kept.integrator, kept.state, cursor_kept, nobody);
  for (const int count : {3, 1}) {
    set_threads(count);
    auto state = freed.state;
    auto cursor = cursor_freed;
    const auto b =
        simulate<T>(options.times(), freed.system, *freed.integrator, state, cursor, nobody);
    EXPECT_TRUE(kept.state.W == state.W);
    EXPECT_TRUE(kept.state.M == state.M);
    EXPECT_EQ(state.G.size(), 0);
    EXPECT_EQ(state.V.size(), 0);
    EXPECT_EQ(a.last.objective, b.last.objective);
    EXPECT_EQ(a.last.kinetic, b.last.kinetic);
    EXPECT_EQ(a.last.dissipated, b.last.dissipated);
    ASSERT_TRUE(b.last.statistics.has_value() || !options.times().statistics);
    EXPECT_EQ(cursor.forces, cursor_kept.forces);
  }
  set_threads(0);
}

TEST(MuonIntegrator, TheSameBitsWithoutForcesInMemory) {
  const std::string times = R"(
[integrator]
kind = "muon"
step = 0.05
end_time = 0.6
[record]
every = 0.2
)";
  // Two chunks and a part of one; blocks with weights of their own and a geometry without kernels
  // for batches.
  const std::string ridge =
      "[objective]\nfeatures = 5\n[particles]\ncount = 135\nshape = [3, 4]\n" + times;
  const std::string experts =
      "[objective]\nkind = \"moe\"\nsamples = 8\n[geometry.router]\nweight = 0.5\n"
      "[geometry.out]\nkind = \"relativistic\"\n[particles]\ncount = 70\nshape = [3, 4]\n" +
      times;
  for (const auto& text : {ridge, experts}) {
    expect_the_same_without_forces<double>(text);
    expect_the_same_without_forces<float>(text);
  }
}

TEST(MuonIntegrator, NoticesForcesThatAreNotFiniteInOnePass) {
  const auto options = options_of(
      "[objective]\nkind = \"quadratic\"\nlambda = 1e30\n[geometry]\nkind = \"frobenius\"\n"
      "[particles]\ncount = 3\nshape = [3, 4]\n[integrator]\nkind = \"muon\"\nstep = 0.5\nend_time "
      "= 50");
  auto problem = make_problem<double>(options);
  problem.state.keeps_forces = false;
  Observer<double> nobody;
  Cursor cursor;
  ASSERT_TRUE(begin(problem.system, problem.state, cursor).ok());
  const auto result = simulate<double>(options.times(), problem.system, *problem.integrator,
                                       problem.state, cursor, nobody);
  EXPECT_EQ(result.ended, Ended::failed);
  EXPECT_EQ(result.outcome.status, Status::non_finite_result);
  EXPECT_GT(result.last.step, 0);
}

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
  const auto message = test::message_of<ConfigError>([] { integrators().at("leapfrgo"); });
  EXPECT_NE(message.find("did you mean 'leapfrog'"), std::string::npos) << message;
}

}  // namespace
}  // namespace muonflow::flow
