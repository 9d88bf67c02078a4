#include "muonflow/flow/simulate.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

TEST(Simulate, RecordsItsTimesAndTheEnd) {
  const Finished<double> run(
      options_of(kSmall, {"integrator.step=0.01", "integrator.end_time=0.25", "record.every=0.1"}));
  std::vector<double> times;
  for (const auto& r : run.records) times.push_back(r.time);
  ASSERT_EQ(times.size(), 4u);
  EXPECT_NEAR(times[1], 0.1, 1e-15);
  EXPECT_NEAR(times[2], 0.2, 1e-15);
  EXPECT_EQ(times[3], 0.25);
  EXPECT_EQ(run.cursor.step, 25);
}

TEST(Simulate, LastStepIsShorterWhereTheEndIsNoMultiple) {
  const Finished<double> run(
      options_of(kSmall, {"integrator.step=0.1", "integrator.end_time=0.25"}));
  EXPECT_EQ(run.cursor.step, 3);
  EXPECT_EQ(run.problem.state.time, 0.25);
  EXPECT_EQ((SimulateOptions{.step = 0.1, .end_time = 0.25}.steps()), 3);
  EXPECT_EQ((SimulateOptions{.step = 0.1, .end_time = 0.3}.steps()), 3);
}

TEST(Simulate, ManyStepsEndExactly) {
  // 0.001 is no binary fraction: a sum of 2,000 of them would miss the end.
  const Finished<double> run(options_of(kSmall, {"integrator.kind=muon"}));
  EXPECT_EQ(run.cursor.step, 2000);
  EXPECT_EQ(run.problem.state.time, 2);
  EXPECT_EQ(run.records.size(), 5u);
}

// Stops after some steps, as Ctrl-C does.
struct StopsAfter : Observer<double> {
  std::int64_t steps;
  explicit StopsAfter(std::int64_t n) : steps(n) {}
  bool after_step(const State<double>&, const Cursor& cursor) override {
    return cursor.step < steps;
  }
};

class Resume : public ::testing::TestWithParam<std::string> {};

TEST_P(Resume, GoesOnWithTheSameBits) {
  const auto options = options_of(kSmall, {"integrator.kind=" + GetParam(), "integrator.step=0.01",
                                           "integrator.end_time=0.505", "record.every=0.1"});
  const Finished<double> whole(options);

  auto first = make_problem<double>(options);
  Cursor cursor;
  StopsAfter stop(23);
  ASSERT_TRUE(begin(first.system, first.state, cursor).ok());
  ASSERT_EQ(
      simulate<double>(options.times(), first.system, *first.integrator, first.state, cursor, stop)
          .ended,
      Ended::cancelled);
  EXPECT_EQ(cursor.step, 23);

  // Another process: W, M, the time and the cursor are all that is left.
  auto second = make_problem<double>(options);
  second.state = state_from<double>(state_tensors(first.state), first.state.layout, "checkpoint");
  second.state.time = first.state.time;
  ASSERT_TRUE(resume(second.system, second.state, cursor).ok());
  Observer<double> nobody;
  const auto result = simulate<double>(options.times(), second.system, *second.integrator,
                                       second.state, cursor, nobody);
  EXPECT_EQ(result.ended, Ended::finished);
  EXPECT_TRUE(second.state.W == whole.problem.state.W);
  EXPECT_TRUE(second.state.M == whole.problem.state.M);
  EXPECT_EQ(result.last.dissipated, whole.result.last.dissipated);
  EXPECT_EQ(result.last.ledger_error, whole.result.last.ledger_error);
  EXPECT_EQ(cursor.ledger.objective_increases, whole.cursor.ledger.objective_increases);
  EXPECT_EQ(cursor.ledger.energy_increases, whole.cursor.ledger.energy_increases);
  EXPECT_EQ(cursor.ledger.largest_relative_error, whole.cursor.ledger.largest_relative_error);
}

INSTANTIATE_TEST_SUITE_P(Registry, Resume, ::testing::ValuesIn(integrators().names()));

TEST(Simulate, SaysWhenItDiverges) {
  // Leapfrog on a stiff bowl without a bound on the velocity: gamma lambda h^2 is far above 4.
  auto config = Config::from_text(R"(
objective = {kind = "quadratic", lambda = 1e30}
geometry = {kind = "frobenius"}
integrator = {kind = "leapfrog", step = 1.0, end_time = 100.0}
particles = {count = 2, shape = [2, 2]}
)");
  const Finished<double> run(read_options(config.tree(), {}));
  EXPECT_EQ(run.result.ended, Ended::failed);
  EXPECT_EQ(run.result.outcome.status, Status::non_finite_result);
  EXPECT_GT(run.result.last.step, 0);
  EXPECT_EQ(run.result.last.step, run.cursor.step);
}

TEST(SimulateOptions, RefusesTimesThatMakeNoSense) {
  EXPECT_THROW((SimulateOptions{.step = 0}.check("t")), ConfigError);
  EXPECT_THROW((SimulateOptions{.step = 2, .end_time = 1}.check("t")), ConfigError);
  EXPECT_THROW((SimulateOptions{.record_every = 0}.check("t")), ConfigError);
  EXPECT_NO_THROW((SimulateOptions{.step = 1, .end_time = 1}.check("t")));
}

}  // namespace
}  // namespace muonflow::flow
