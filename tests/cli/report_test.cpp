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

TEST_F(ReportCommandTest, APageAndAPictureOfABenchmark) {
  ASSERT_EQ(run({"bench", "accuracy", "--steps", "3", "--json", "accuracy.json"}).code, 0);
  const auto result = run({"report", "accuracy.json", "--out", "page.html"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("1 benchmark"), std::string::npos);
  EXPECT_NE(read_text_file(folder / "page.html").find("accuracy-0-1"), std::string::npos);
  ASSERT_EQ(run({"report", "accuracy.json", "--svg", "picture.svg"}).code, 0);
  EXPECT_EQ(read_text_file(folder / "picture.svg").rfind("<svg ", 0), 0u);
  expect_refusal(run({"report", "accuracy.json"}), 2, "--out");
  write("kernels.json", R"({"kind": "bench kernels", "rows": []})");
  expect_refusal(run({"report", "kernels.json", "--svg", "x.svg"}), 2, "bench accuracy");
  write("other.json", R"({"kind": "bench training"})");
  expect_refusal(run({"report", "other.json", "--out", "x.html"}), 1, "bench");
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
