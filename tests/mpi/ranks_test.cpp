// The same on every number of ranks: communication, and a flow whose particles are shared. Every
// rank runs every test; a rank whose expectation fails makes the launcher fail.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "muonflow/core/config.hpp"
#include "muonflow/dist/communicator.hpp"
#include "muonflow/flow/options.hpp"
#include "muonflow/flow/problem.hpp"
#include "muonflow/flow/simulate.hpp"
#include "muonflow/flow/spread.hpp"

namespace muonflow {
namespace {

std::shared_ptr<dist::Communicator>& world() {
  static std::shared_ptr<dist::Communicator> ranks = dist::mpi_world();
  return ranks;
}

TEST(Ranks, SumsAndMaximaReachEveryRank) {
  const double mine = world()->rank() + 1;
  const double n = world()->size();
  std::array values{mine, -mine};
  world()->sum(values);
  EXPECT_EQ(values, (std::array{n * (n + 1) / 2, -n * (n + 1) / 2}));
  values = {mine, -mine};
  world()->max(values);
  EXPECT_EQ(values, (std::array{n, -1.0}));
}

TEST(Ranks, GatherKeepsTheOrderOfTheRanks) {
  const std::string mine(static_cast<std::size_t>(world()->rank() + 1),
                         static_cast<char>('a' + world()->rank()));
  const auto all = world()->gather(std::as_bytes(std::span(mine)));
  std::string text(all.size(), ' ');
  std::memcpy(text.data(), all.data(), all.size());
  const std::string whole = "abbccc";
  EXPECT_EQ(text, world()->rank() == 0 ? whole.substr(0, world()->size() == 2 ? 3 : 6) : "");
}

flow::FlowOptions options(const std::string& integrator) {
  auto config = Config::from_text(
      "particles.count = 300\nparticles.shape = [4, 3]\ngeometry.epsilon = 0.1\n"
      "integrator.step = 0.05\nintegrator.end_time = 0.5");
  config.set("integrator.kind=" + integrator);
  return flow::read_options(config.tree(), {});
}

template <class T>
flow::State<T> run(const flow::FlowOptions& given, std::shared_ptr<dist::Communicator> ranks,
                   flow::LedgerEntry& last) {
  auto problem = flow::make_problem<T>(given, {}, {}, ranks);
  flow::Cursor cursor;
  EXPECT_TRUE(flow::begin(problem.system, problem.state, cursor).ok());
  flow::Observer<T> nobody;
  const auto result = flow::simulate<T>(given.times(), problem.system, *problem.integrator,
                                        problem.state, cursor, nobody);
  EXPECT_EQ(result.ended, flow::Ended::finished);
  last = result.last;
  return flow::gathered(problem.state, problem.system.ranks());
}

// Sums in another order: some roundings, carried along by 10 steps.
TEST(Ranks, AFlowIsTheSameAsOnOne) {
  for (const std::string integrator : {"muon", "leapfrog", "rk4"}) {
    flow::LedgerEntry together, alone;
    const auto shared = run<double>(options(integrator), world(), together);
    const auto whole = run<double>(options(integrator), nullptr, alone);
    EXPECT_NEAR(together.energy, alone.energy, 1e-13 * alone.energy) << integrator;
    EXPECT_NEAR(together.dissipated, alone.dissipated, 1e-13 * alone.energy) << integrator;
    EXPECT_NEAR(together.momentum_op_norm, alone.momentum_op_norm, 1e-12) << integrator;
    if (world()->rank() != 0) {
      EXPECT_EQ(shared.W.size(), 0);
      continue;
    }
    EXPECT_TRUE(shared.layout == whole.layout);
    EXPECT_LE((shared.W - whole.W).norm(), 1e-13 * whole.W.norm()) << integrator;
    EXPECT_LE((shared.M - whole.M).norm(), 1e-12 * whole.M.norm()) << integrator;
  }
}

// The mean over the ranks and the squares about it; every rank has the result.
TEST(Ranks, DistancesAreThoseOfAllParticles) {
  const auto here = flow::make_problem<double>(options("muon"), {}, {}, world()).state;
  const auto all = flow::make_problem<double>(options("muon")).state;
  ASSERT_LT(here.W.rows(), all.W.rows());
  const double expected = flow::particle_distance(all.W);
  EXPECT_NEAR(flow::particle_distance(here.W, world().get()), expected, 1e-14 * expected);
}

// A rank in trouble takes the others along instead of leaving them waiting.
TEST(Ranks, TroubleOfOneIsKnownToAll) {
  auto problem = flow::make_problem<double>(options("muon"), {}, {}, world());
  if (world()->rank() == world()->size() - 1) {
    problem.state.W(0, 0) = std::numeric_limits<double>::quiet_NaN();
  }
  EXPECT_FALSE(problem.system.refresh(problem.state).ok());
}

}  // namespace
}  // namespace muonflow

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  (void)muonflow::world();
  const int code = RUN_ALL_TESTS();
  muonflow::world().reset();
  return code;
}
