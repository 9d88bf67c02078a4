// muonflow doctor: what it looks at, and that its exit code agrees with what it says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "muonflow/core/fields.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

using DoctorCommand = ProgramTest;

// Whether this machine is slow is not for a test to decide; whether it computes right is.
TEST_F(DoctorCommand, LooksAtEverythingAndItsExitCodeAgrees) {
  const auto result = run({"doctor", "--json"});
  ASSERT_TRUE(result.code == 0 || result.code == 1) << result.err;
  const Json findings = Json::parse(result.out);
  std::set<std::string> subjects;
  bool trouble = false;
  for (const auto& finding : findings) {
    subjects.insert(finding["subject"]);
    const std::string verdict = finding["verdict"];
    EXPECT_NE(verdict, "WRONG") << finding;
    if (verdict == "SLOW" || verdict == "WRONG") {
      trouble = true;
      EXPECT_NE(finding["mend"], "") << finding;
    }
  }
  EXPECT_EQ(result.code, trouble ? 1 : 0) << result.out;
  for (const char* subject :
       {"build", "processor", "memory", "folder", "threads", "OpenBLAS", "oneDNN", "products",
        "peak", "polar factor", "results", "plan", "optional"}) {
    EXPECT_TRUE(subjects.count(subject)) << subject;
  }
}

TEST_F(DoctorCommand, KeepsTheMeasuredPlanForLaterCommands) {
  const auto plan = [&] {
    const Json findings = Json::parse(run({"doctor", "--json"}).out);
    for (const auto& finding : findings) {
      if (finding["subject"] == "plan") return finding["text"].get<std::string>();
    }
    return std::string();
  };
  EXPECT_EQ(plan().rfind("built-in", 0), 0U) << plan();
  const auto calibrated = run({"doctor", "--calibrate"});
  EXPECT_NE(calibrated.err.find("512 x 512"), std::string::npos) << calibrated.err;
  const auto file = folder / ".cache" / "muonflow" / "plan.json";
  const Json kept = Json::parse(read_text_file(file));
  EXPECT_EQ(plan().rfind(kept["source"].get<std::string>(), 0), 0U) << plan();

  // Another processor's plan is not for this one; one that is no plan is told and left out.
  write_file(file, R"({"engine": "library", "source": "another processor"})");
  EXPECT_EQ(plan().rfind("built-in", 0), 0U) << plan();
  write_file(file, "{");
  const auto told = run({"list", "--json"});
  EXPECT_EQ(told.code, 0);
  EXPECT_NE(told.err.find("plan.json is left out"), std::string::npos) << told.err;

  run({"doctor", "--forget"});
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(DoctorCommand, SaysThatTooManyThreadsAreSlow) {
  const auto result = run({"doctor", "--threads", "512"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.out.find("lower --threads"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace muonflow::cli
