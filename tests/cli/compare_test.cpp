// muonflow compare: curves, table and verdict of run folders made by hand, whose answer is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/record/manifest.hpp"
#include "muonflow/record/run_folder.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class CompareCommand : public ProgramTest {
 protected:
  // Forty steps of `seconds` each; the validation loss, looked at every ten steps, starts at 5 and
  // falls by `fall` each time.
  void write_run(const std::string& name, double seconds, double fall) const {
    auto run = record::RunFolder::create(
        folder / name, record::make_manifest("train", "test", Json::object(), 0, "test"), "");
    for (int step = 0; step <= 40; ++step) {
      if (step > 0) {
        run.event({{"kind", "step"},
                   {"step", step},
                   {"tokens", 100 * step},
                   {"seconds", seconds * step},
                   {"loss", 5 - fall * step / 10},
                   {"tokens_per_second", 100 / seconds},
                   {"optimizer_share", 0.1}});
      }
      if (step % 10 == 0) {
        run.event({{"kind", "validation"},
                   {"step", step},
                   {"tokens", 100 * step},
                   {"seconds", seconds * step},
                   {"loss", 5 - fall * step / 10}});
      }
    }
    run.event({{"kind", "end"}, {"step", 40}, {"ending", "finished"}});
  }
};

// "slow" ends at 3, its best; "quick" is there after 20 steps instead of 40, of twice the time
// each.
TEST_F(CompareCommand, FindsStepsAndSecondsToTheSameLoss) {
  write_run("slow", 0.5, 0.5);
  write_run("quick", 1.0, 1.0);
  const auto result = run({"compare", "slow", "quick", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = Json::parse(result.out);
  EXPECT_EQ(all["target"], 3.0);
  EXPECT_EQ(all["runs"][0]["steps_to_target"], 40.0);
  EXPECT_EQ(all["runs"][0]["seconds_to_target"], 20.0);
  EXPECT_EQ(all["runs"][1]["steps_to_target"], 20.0);
  EXPECT_EQ(all["runs"][1]["seconds_to_target"], 20.0);
  EXPECT_EQ(all["runs"][1]["best_validation_loss"], 1.0);
}

TEST_F(CompareCommand, DrawsCurvesAndSaysWhatTheyMean) {
  write_run("slow", 0.5, 0.5);
  write_run("quick", 0.5, 1.0);
  const auto result = run({"compare", "slow", "quick"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos) << "colours outside a terminal";
  EXPECT_NE(result.out.find("o slow   + quick"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("quick needs 50% fewer steps than slow, and 50% less time"),
            std::string::npos)
      << result.out;
}

TEST_F(CompareCommand, SaysWhoNeverReachesAGivenLoss) {
  write_run("slow", 0.5, 0.5);
  write_run("quick", 0.5, 1.0);
  const auto result = run({"compare", "quick", "slow", "--loss", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("slow never reaches a validation loss of 2.0000"), std::string::npos)
      << result.out;
}

TEST_F(CompareCommand, RefusesWhatIsNoRun) {
  write_run("slow", 0.5, 0.5);
  const auto missing = run({"compare", "slow", "missing"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.err.find("missing"), std::string::npos) << missing.err;
  EXPECT_EQ(std::count(missing.err.begin(), missing.err.end(), '\n'), 1) << missing.err;
  EXPECT_EQ(run({"compare", "slow", "--against", "miles"}).code, 2);
  EXPECT_EQ(run({"compare", "slow", "--loss", "-1"}).code, 2);
  EXPECT_EQ(run({"compare"}).code, 2);
}

}  // namespace
}  // namespace muonflow::cli
