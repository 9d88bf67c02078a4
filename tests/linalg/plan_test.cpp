#include "muonflow/linalg/plan.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

class PlanTest : public ::testing::Test {
 protected:
  ~PlanTest() override { set_plan_table({}); }
};

TEST_F(PlanTest, TheTableDecides) {
  EXPECT_EQ(plan(64, 64, 1, 2).formulation, Formulation::direct);
  EXPECT_EQ(plan(64, 256, 1, 2).formulation, Formulation::gram);
  EXPECT_EQ(plan(256, 64, 1, 2).formulation, Formulation::gram);
  set_plan_table({.engine = Engine::library, .gram_aspect = 5, .depth_block = 128, .source = "x"});
  EXPECT_EQ(plan(256, 64, 1, 2).formulation, Formulation::direct);
  EXPECT_EQ(plan(256, 64, 1, 2).engine, Engine::library);
  EXPECT_EQ(plan(256, 64, 1, 2).depth_block, 128);
}

TEST_F(PlanTest, ManySmallMatricesGoOneToAThread) {
  EXPECT_FALSE(plan(128, 128, 1, 2).matrices_in_parallel);
  EXPECT_TRUE(plan(128, 128, 24, 2).matrices_in_parallel);
  EXPECT_FALSE(plan(128, 128, 24, 1).matrices_in_parallel);
  EXPECT_FALSE(plan(2048, 2048, 2, 2).matrices_in_parallel);
  EXPECT_TRUE(plan(16, 16, 1000, 2).interleaved);
  EXPECT_FALSE(plan(16, 16, 1, 2).interleaved);
  EXPECT_FALSE(plan(128, 128, 1000, 2).interleaved);
}

TEST_F(PlanTest, WhatIsNoTableIsRefused) {
  EXPECT_THROW(set_plan_table({.depth_block = 0}), ConfigError);
  EXPECT_THROW(set_plan_table({.gram_aspect = 0.5}), ConfigError);
  EXPECT_EQ(plan_table().source, "built-in");
}

// Any table gives the same result within the kernels' errors, and one table the same bits again.
TEST_F(PlanTest, ResultsDoNotDependOnIt) {
  const Matrix<double> a = reference::gaussian(70, 150, 95);
  const auto run = [&](const PlanTable& table, PolarMethod method) {
    set_plan_table(table);
    Matrix<double> x = a;
    Workspace<double> workspace;
    IterationReport report;
    EXPECT_TRUE(polar<double>(x, {.method = method}, workspace, &report).ok());
    EXPECT_EQ(report.engine, method == PolarMethod::turbo ? Engine::panels : plan_table().engine);
    return x;
  };
  for (const auto method : {PolarMethod::jordan, PolarMethod::cans, PolarMethod::turbo}) {
    const Matrix<double> first = run({}, method);
    for (const PlanTable& table : {PlanTable{.engine = Engine::library},
                                   PlanTable{.gram_aspect = 10}, PlanTable{.depth_block = 32}}) {
      const Matrix<double> other = run(table, method);
      // The slope of the composition, at most 8.3 * 4.1 * ... = 500, times roundings.
      EXPECT_LE((other - first).norm(), 1e-11);
      EXPECT_TRUE(run(table, method) == other);
    }
  }
}

TEST_F(PlanTest, CalibrationGivesATableForThisMachine) {
  int lines = 0;
  const PlanTable table = calibrate([&](const std::string& line) {
    EXPECT_NE(line.find("ms"), std::string::npos);
    ++lines;
  });
  EXPECT_GE(lines, 6);
  EXPECT_NE(table.source, "built-in");
  EXPECT_EQ(plan_table().source, "built-in");
  EXPECT_NO_THROW(set_plan_table(table));
}

}  // namespace
}  // namespace muonflow::linalg
