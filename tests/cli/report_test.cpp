// muonflow report, from the command line: one page out of run folders, and what it refuses. What
// the page holds is judged in tests/report, how it looks in tests/browser.
#include <gtest/gtest.h>

#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class ReportCommandTest : public ProgramTest {
 protected:
  // A finished flow of four small particles.
  void simulate(const std::string& name) const {
    write("flow.toml",
          "[objective]\nkind = \"quadratic\"\n"
          "[geometry]\nkind = \"frobenius\"\n"
          "[integrator]\nkind = \"leapfrog\"\nstep = 0.1\nend_time = 1.0\n"
          "[particles]\ncount = 4\nshape = [2, 3]\n"
          "[record]\nevery = 0.2\n");
    const auto result = run({"flow", "flow.toml", "--out", name});
    ASSERT_EQ(result.code, 0) << result.err;
  }
};

TEST_F(ReportCommandTest, OnePageForSeveralRuns) {
  simulate("first");
  simulate("second");
  const auto result = run({"report", "first", "second", "--out", "report.html"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto page = read_text_file(folder / "report.html");
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  EXPECT_NE(page.find("first"), std::string::npos);
  EXPECT_NE(page.find("second"), std::string::npos);
}

TEST_F(ReportCommandTest, WhatIsNoRunIsRefusedAndNothingIsWritten) {
  expect_refusal(run({"report", "absent", "--out", "report.html"}), 1, "absent");
  std::filesystem::create_directory(folder / "empty");
  expect_refusal(run({"report", "empty", "--out", "report.html"}), 1, "empty");
  EXPECT_FALSE(std::filesystem::exists(folder / "report.html"));
}

TEST_F(ReportCommandTest, APageThatCannotBeWritten) {
  simulate("run");
  expect_refusal(run({"report", "run", "--out", "no/such/folder/report.html"}), 1,
                 "no/such/folder");
}

}  // namespace
}  // namespace muonflow::cli
