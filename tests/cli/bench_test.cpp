// muonflow bench, from the command line: that it runs and what it refuses, never how fast.
#include <gtest/gtest.h>

#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

using BenchCommandTest = ProgramTest;

TEST_F(BenchCommandTest, KernelsBesideTheirRivals) {
  const auto result = run({"bench", "kernels", "--rounds", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* word : {"oneDNN", "OpenBLAS", "512"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << "\n" << result.out;
  }
}

TEST_F(BenchCommandTest, WrongRequests) {
  expect_refusal(run({"bench", "kernel"}), 2, "kernels");
  expect_refusal(run({"bench", "kernels", "--rounds", "-1"}), 2, "--rounds");
}

}  // namespace
}  // namespace muonflow::cli
