// muonflow bench flow, from the command line: that it runs and what its document holds, never how
// fast.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/fields.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class BenchFlowCommandTest : public ProgramTest {};

TEST_F(BenchFlowCommandTest, StepsParticlesAndSaysWhatAParticleCosts) {
  const auto result = run({"bench", "flow", "--size", "3,5", "--particles=40,80", "--rounds", "1",
                           "--peers", "none", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto document = Json::parse(result.out);
  EXPECT_EQ(document["kind"], "bench flow");
  ASSERT_EQ(document["rows"].size(), 2u);
  const auto& row = document["rows"][1];
  EXPECT_EQ(row["shape"], "3x5");
  EXPECT_EQ(row["count"], 80);
  EXPECT_GT(row["epsilon"].get<double>(), 0);
  // Weights and momenta of 15 floats, and the tape of eight features: what a step holds of all.
  EXPECT_EQ(row["bytes_per_particle"].get<double>(), 4 * (2 * 15 + 8));
  ASSERT_EQ(row["contenders"].size(), 1u);
  EXPECT_GT(row["contenders"][0]["particle_steps_per_second"].get<double>(), 0);
  ASSERT_EQ(document["growth"].size(), 1u);
  EXPECT_EQ(document["growth"][0]["from"], 40);
  EXPECT_EQ(document["growth"][0]["to"], 80);
}

// The rivals compute the same flow: three steps end at the same weights, to float's rounding of
// what moved. Their SVD and their products are as exact as float allows at epsilon 1e-2 relative.
TEST_F(BenchFlowCommandTest, RivalsTakeTheSameSteps) {
  const auto result =
      run({"bench", "flow", "--size", "4,8", "--particles=33", "--rounds", "1", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto document = Json::parse(result.out);
  const auto& contenders = document["rows"][0]["contenders"];
  ASSERT_GE(contenders.size(), 2u) << "OpenBLAS's loop is always there";
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    // Weights of order 1 move by 1e-4 a step: a rounding of 6e-8 is 2e-4 of three steps.
    EXPECT_LT(contenders[i]["distance"].get<double>(), 2e-3) << contenders[i]["name"];
  }
}

TEST_F(BenchFlowCommandTest, WrongRequests) {
  expect_refusal(run({"bench", "flow", "--particles=none"}), 2, "--particles");
  expect_refusal(run({"bench", "flow", "--size", "0"}), 2, "--size");
  expect_refusal(run({"bench", "flow", "--particles=100000000000"}), 2, "GB");
}

}  // namespace
}  // namespace muonflow::cli
