#include "muonflow/report/study_run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "muonflow/report/html.hpp"
#include "muonflow/report/sections.hpp"
#include "tests/report/page_check.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::markup_faults;
using test::visible_text;

Json check(const char* name, Json value, const char* range, Json verdict) {
  return {{"kind", "check"},
          {"step", 2},
          {"name", name},
          {"quantity", "slope of <it>"},
          {"range", range},
          {"judged", "estimate"},
          {"broken", "FINDING"},
          {"why", "derived"},
          {"value", std::move(value)},
          {"interval", {0.9, 1.1}},
          {"verdict", std::move(verdict)}};
}

void write_study(const std::filesystem::path& path, const char* name, const char* verdict) {
  auto folder = record::RunFolder::create(path,
                                          {{"kind", "study"},
                                           {"study",
                                            {{"name", name},
                                             {"title", "a title"},
                                             {"paper", "arXiv:2605.23871"},
                                             {"statement", "a & b"},
                                             {"computes", "something"}}}},
                                          "study = \"x\"\n");
  folder.event({{"kind", "bound"}, {"step", 0}, {"name", "slope"}, {"range", "in [0, 1]"}});
  folder.event(check("slope", 1.02, "in [0.85, 1.15]", verdict));
  folder.event(check("effect", nullptr, "", nullptr));
  folder.event({{"kind", "figure"},
                {"step", 2},
                {"name", "chaos"},
                {"caption", "what <one> sees"},
                {"x", "N"},
                {"y", "rms"},
                {"log_x", true},
                {"log_y", true},
                {"curves",
                 {{{"label", "measured"},
                   {"drawn", "marks"},
                   {"x", {16, 8, 32}},
                   {"y", {0.7, 1.0, nullptr}},
                   {"low", {0.6, 0.9, nullptr}},
                   {"high", {0.8, 1.1, nullptr}}},
                  {{"label", "slope -1/2"}, {"drawn", "dashed"}, {"x", {8, 32}}, {"y", {1, 0.5}}},
                  {{"label", "broken"}, {"drawn", "line"}, {"x", {1}}, {"y", Json::array()}}}}});
  folder.event({{"kind", "remark"}, {"step", 2}, {"text", "a remark"}});
  folder.summary({{"verdict", verdict}, {"wall_seconds", 12.5}});
}

class StudyPage : public ::testing::Test {
 protected:
  StudyRun read(const std::string& name) const {
    return study_run(record::RunReader::open(folder / name), name);
  }
  test::TemporaryFolder folder;
};

TEST_F(StudyPage, ReadsWhatWasDeclaredAndMeasured) {
  write_study(folder / "a", "flow-chaos", "PASS");
  const auto run = read("a");
  EXPECT_EQ(run.study, "flow-chaos");
  EXPECT_EQ(run.verdict, "PASS");
  EXPECT_EQ(run.wall_seconds, 12.5);
  ASSERT_EQ(run.checks.size(), 2U);
  EXPECT_EQ(run.checks[0].value, 1.02);
  EXPECT_EQ(run.checks[0].high, 1.1);
  EXPECT_TRUE(std::isnan(run.checks[1].value));
  EXPECT_EQ(run.checks[1].verdict, "");
  ASSERT_EQ(run.figures.size(), 1U);
  EXPECT_EQ(run.figures[0].curves.size(), 2U) << "a curve whose x and y differ is left out";
  const auto& curve = run.figures[0].curves[0];
  EXPECT_EQ(curve.x, (std::vector<double>{8, 16, 32})) << "from left to right";
  EXPECT_EQ(curve.y[0], 1.0);
  EXPECT_EQ(curve.high[0], 1.1);
  EXPECT_TRUE(std::isnan(curve.y[2]));
  EXPECT_EQ(run.remarks, std::vector<std::string>{"a remark"});
  EXPECT_EQ(run.state, "");
}

TEST_F(StudyPage, WithoutAnEndItShowsWhatWasDeclared) {
  auto open = record::RunFolder::create(folder / "a", {{"kind", "study"}}, "");
  open.event({{"kind", "bound"}, {"step", 0}, {"name", "slope"}, {"range", "<= 1"}});
  const auto run = read("a");
  EXPECT_EQ(run.study, "a");
  ASSERT_EQ(run.checks.size(), 1U);
  EXPECT_EQ(run.checks[0].range, "<= 1");
  EXPECT_TRUE(std::isnan(run.checks[0].value));
  EXPECT_EQ(run.verdict, "");
  EXPECT_NE(run.state.find("still going"), std::string::npos);
}

TEST_F(StudyPage, SectionHasVerdictTableAndFigure) {
  write_study(folder / "a", "flow-chaos", "PASS");
  write_study(folder / "b", "flow-hard-limit", "FINDING");
  const std::vector<StudyRun> runs{read("a"), read("b")};
  PageData data;
  const auto markup = study_section(runs, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  const auto text = visible_text(markup);
  for (const char* part : {"flow-chaos: a title", "PASS", "FINDING", "a & b", "in [0.85, 1.15]",
                           "1.02 [0.9, 1.1]", "told, decides nothing", "slope of <it>",
                           "what <one> sees.", "a remark", "1 of 1", "0 of 1"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  ASSERT_EQ(data.figures().size(), 2U);
  const auto& figure = data.figures().front();
  EXPECT_EQ(figure.section, "study");
  EXPECT_TRUE(figure.log && figure.log_x);
  // Two edges of the band, the points, and the theory in their colour.
  ASSERT_EQ(figure.series.size(), 4U);
  EXPECT_EQ(figure.series[0].role, "edge");
  EXPECT_EQ(figure.series[1].fill->to, 0U);
  EXPECT_EQ(figure.series[2].role, "marks");
  EXPECT_EQ(figure.series[3].role, "theory");
  EXPECT_EQ(figure.series[3].tone, figure.series[2].tone);
}

TEST_F(StudyPage, KeysNameTheMeasuredFirstAndATheoryOnce) {
  StudyRun run;
  run.study = "flow-orders";
  StudyFigure figure{.caption = "slopes <= 2", .x = "epsilon", .y = "y", .curves = {}};
  for (const char* name : {"leapfrog", "relaxed"}) {
    figure.curves.push_back(
        {.label = name, .drawn = "marks", .x = {1, 2}, .y = {1, 4}, .low = {}, .high = {}});
    figure.curves.push_back(
        {.label = "h^2", .drawn = "dashed", .x = {1, 2}, .y = {1, 4}, .low = {}, .high = {}});
  }
  run.figures = {figure};
  PageData data;
  const auto markup = study_section(std::vector{run}, data);
  const auto text = visible_text(markup);
  EXPECT_LT(text.find("leapfrog"), text.find("relaxed"));
  EXPECT_NE(markup.find("<span class=\"line dashed\"></span><span>h<sup>2</sup></span>"),
            std::string::npos);
  EXPECT_EQ(test::count_of(markup, "h<sup>2</sup>"), 1U);
  EXPECT_NE(text.find("slopes ≤ 2."), std::string::npos);
  ASSERT_EQ(data.figures().size(), 1U);
  EXPECT_EQ(data.figures().front().x.front().second, "ε");
  EXPECT_EQ(data.figures().front().series.size(), 4U);
}

TEST_F(StudyPage, PageOpensWithTheVerdicts) {
  write_study(folder / "a", "flow-chaos", "PASS");
  write_study(folder / "b", "flow-hard-limit", "FINDING");
  const std::vector<record::RunReader> runs{record::RunReader::open(folder / "a"),
                                            record::RunReader::open(folder / "b")};
  const auto text = visible_text(render(runs));
  EXPECT_NE(text.find("2 studies"), std::string::npos);
  EXPECT_NE(text.find("Every declared bound held in the study flow-chaos."), std::string::npos);
  EXPECT_NE(text.find("A claim was contradicted, as a finding, in flow-hard-limit."),
            std::string::npos);
  EXPECT_EQ(study_summary_html({}), "");
  PageData data;
  EXPECT_EQ(study_section({}, data), "");
}

}  // namespace
}  // namespace muonflow::report
