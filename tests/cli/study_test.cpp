// muonflow study, from the command line: what it prints first, its folder, its exit codes.
#include "muonflow/study/study.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/record/reader.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class StudyCommand : public ProgramTest {};

TEST_F(StudyCommand, WithoutANameItListsThem) {
  const auto result = run({"study"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const auto& entry : study::studies().all()) {
    EXPECT_NE(result.out.find("  " + entry.name + " "), std::string::npos) << entry.name;
  }
}

TEST_F(StudyCommand, DeclaresRunsAndRecords) {
  const auto result = run({"study", "flow-identity", "--quick", "--out", "run", "--set", "seed=3"});
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  const auto declared = result.out.find("bounds, declared before the run");
  const auto measured = result.out.find("measured, with 95% intervals");
  ASSERT_NE(declared, std::string::npos);
  EXPECT_LT(declared, measured);
  EXPECT_NE(result.out.find("flow-identity: PASS"), std::string::npos) << result.out;
  const auto reader = record::RunReader::open(folder / "run");
  EXPECT_EQ(reader.manifest()["kind"], "study");
  EXPECT_EQ(reader.manifest()["seed"], 3);
  EXPECT_EQ((*reader.summary())["verdict"], "PASS");
  EXPECT_EQ(reader.events("bound").size(), reader.events("check").size());
  EXPECT_FALSE(reader.events("figure").empty());

  // Its own configuration runs it again, to the same numbers.
  const auto again = run({"study", "run/config.toml", "--out", "again"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ((*record::RunReader::open(folder / "again").summary())["checks"],
            (*reader.summary())["checks"]);
}

TEST_F(StudyCommand, AFailIsExitCodeOne) {
  // Steps far beyond rk4's asymptotic range: no fourth order there.
  const auto result =
      run({"study", "flow-identity", "--quick", "--out", "run", "--set", "step=0.25"});
  EXPECT_EQ(result.code, 1) << result.out;
  EXPECT_NE(result.out.find("flow-identity: FAIL"), std::string::npos) << result.out;
}

TEST_F(StudyCommand, RefusesInOneLine) {
  expect_refusal(run({"study", "flow-identify"}), 2, "did you mean 'flow-identity'?");
  expect_refusal(run({"study", "flow-identity", "--set", "sed=1"}), 2, "--set sed");
  expect_refusal(run({"study", "--quick"}), 2, "the name of a study, or --all");
  expect_refusal(run({"study", "--all", "--set", "seeds=1"}), 2, "--all");
  write("bad.toml", "study = \"flow-identity\"\nseeds = \"many\"\n");
  expect_refusal(run({"study", "bad.toml"}), 2, "bad.toml:2: seeds");
  write("none.toml", "seeds = 3\n");
  expect_refusal(run({"study", "none.toml"}), 2, "study = \"NAME\"");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
  std::filesystem::create_directory(folder / "full");
  write("full/file", "taken");
  expect_refusal(run({"study", "flow-identity", "--quick", "--out", "full"}), 2, "full");
}

}  // namespace
}  // namespace muonflow::cli
