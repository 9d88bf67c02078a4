#include "muonflow/study/flow_case.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"

namespace muonflow::study {
namespace {

TEST(FlowCase, RunsToItsEndAndRecords) {
  int looked = 0;
  const auto done = run_flow(
      FlowCase(small_problem(3), {"integrator.step=0.05", "integrator.end_time=0.5"}),
      [&](const FlowSystem& system, const FlowState& state, const flow::LedgerEntry& entry) {
        EXPECT_EQ(system.layout().particles(), 16);
        EXPECT_EQ(state.time, entry.time);
        ++looked;
      });
  ASSERT_TRUE(done.ok) << done.trouble;
  EXPECT_EQ(looked, 6);
  EXPECT_EQ(done.records.size(), 6u);
  EXPECT_EQ(done.state.time, 0.5);
  EXPECT_EQ(done.ledger.energy, done.records.back().energy);
}

TEST(FlowCase, SeedsDrawOtherProblems) {
  const auto energy = [](std::int64_t seed) {
    return run_flow(FlowCase(small_problem(seed), {"integrator.step=0.5"})).records.front().energy;
  };
  EXPECT_NE(energy(1), energy(2));
  EXPECT_EQ(energy(1), energy(1));
  EXPECT_NE(derived_seed(1, 0), derived_seed(1, 1));
}

TEST(FlowCase, WhatMakesNoSenseIsRefused) {
  EXPECT_THROW(
      run_flow(FlowCase(small_problem(1), {"integrator.kind=muon", "integrator.step=1.5"})),
      ConfigError);
  EXPECT_THROW(FlowCase(small_problem(1), {"integrator.step=3"}), ConfigError);
}

TEST(ParticleDistance, IsTheRootMeanSquareOfBoth) {
  FlowState a, b;
  a.W = Matrix<double>::Zero(2, 3);
  a.M = Matrix<double>::Zero(2, 3);
  b = a;
  b.W(0, 0) = 3;
  b.M(1, 2) = 4;
  EXPECT_DOUBLE_EQ(particle_distance(a, b), 5 / std::sqrt(2.0));
}

}  // namespace
}  // namespace muonflow::study
