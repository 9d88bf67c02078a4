#include "muonflow/report/run_state.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

std::string state_after(const std::vector<Json>& events, bool summary = false) {
  test::TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json::object(), "");
    for (const auto& event : events) file.event(event);
    if (summary) file.summary({{"steps", 1}});
  }
  return run_state(record::RunReader::open(folder / "a"), 120, 300, "step");
}

Json end(const char* ending) { return {{"kind", "end"}, {"step", 120}, {"ending", ending}}; }

TEST(RunState, SaysHowARunEnded) {
  EXPECT_EQ(state_after({end("finished")}), "");
  EXPECT_EQ(state_after({}, true), "");
  EXPECT_EQ(state_after({end("interrupted")}), "interrupted at step 120 of 300");
  EXPECT_EQ(state_after({end("non-finite")}), "stopped at step 120 of 300: a value was not finite");
  EXPECT_EQ(state_after({}),
            "no end recorded (still going, or cut off), last seen at step 120 of 300");
}

TEST(RunState, AnEndBeforeAResumeIsNone) {
  const Json resume{{"kind", "resume"}, {"step", 120}};
  EXPECT_NE(state_after({end("interrupted"), resume}).find("no end"), std::string::npos);
  EXPECT_EQ(state_after({end("interrupted"), resume, end("finished")}), "");
}

TEST(RunState, TheTotalMayBeUnknown) {
  test::TemporaryFolder folder;
  record::RunFolder::create(folder / "a", Json::object(), "");
  const auto reader = record::RunReader::open(folder / "a");
  EXPECT_NE(run_state(reader, 2.5, std::nan(""), "time").find("time 2.5"), std::string::npos);
  EXPECT_EQ(run_state(reader, 2.5, std::nan(""), "time").find(" of "), std::string::npos);
}

}  // namespace
}  // namespace muonflow::report
