#include "muonflow/report/html.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "muonflow/record/run_folder.hpp"
#include "tests/report/page_check.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::count_of;
using test::embedded_json;
using test::markup_faults;
using test::TemporaryFolder;
using test::visible_text;

std::string page_of(const std::vector<std::filesystem::path>& folders) {
  std::vector<record::RunReader> readers;
  for (const auto& folder : folders) readers.push_back(record::RunReader::open(folder));
  return render(readers);
}

std::string faults_of(const std::string& page) {
  std::string all;
  for (const auto& fault : markup_faults(page)) all += fault + "\n";
  return all;
}

TEST(Render, EveryRunAppearsAndThePageIsWellFormed) {
  TemporaryFolder folder;
  test::write_training_run(folder / "muon-run");
  test::write_training_run(folder / "adamw-run", {.rule = "adamw", .seed = 2});
  test::write_flow_run(folder / "flow-run", {.records = 40});
  const auto page = page_of({folder / "muon-run", folder / "adamw-run", folder / "flow-run"});
  EXPECT_EQ(faults_of(page), "");
  const auto text = visible_text(page);
  for (const char* name : {"muon-run", "adamw-run", "flow-run"}) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
  const auto data = embedded_json(page, "muonflow-data");
  EXPECT_EQ(data["lines"].size(), 4U + 6U);
  EXPECT_EQ(data["heatmaps"].size(), 1U);
  for (const auto& figure : data["lines"]) {
    EXPECT_EQ(count_of(page, "<canvas id=\"" + figure["id"].get<std::string>() + "\""), 1U);
  }
  EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST(Render, TheSameFoldersGiveTheSameBytes) {
  TemporaryFolder folder;
  test::write_training_run(folder / "a");
  test::write_flow_run(folder / "b", {.records = 30});
  const auto first = page_of({folder / "a", folder / "b"});
  EXPECT_EQ(first, page_of({folder / "a", folder / "b"}));
  EXPECT_NE(first, page_of({folder / "b"}));
}

TEST(Render, LoadsNothing) {
  TemporaryFolder folder;
  test::write_training_run(folder / "a");
  const auto page = page_of({folder / "a"});
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_FALSE(std::regex_search(page, std::regex("<[a-z]+[^>]* src=")));
  static const std::regex references("<[a-z]+[^>]* href=\"([^\"]*)\"");
  for (auto at = std::sregex_iterator(page.begin(), page.end(), references);
       at != std::sregex_iterator(); ++at) {
    EXPECT_EQ((*at)[1].str().rfind("data:", 0), 0U) << (*at)[1];
  }
  EXPECT_NE(page.find("Released under the MIT License"), std::string::npos);
}

// Everything that a run folder can say, said with malice.
TEST(Render, HostileTextStaysText) {
  TemporaryFolder folder;
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=\"x()\">'&\xFF";
  const std::string name = "<img src=x onerror='a'>&\"";
  {
    Json config{{"data", {{"name", evil}}}, {"train", {{"steps", evil}}}, {evil, evil}};
    Json manifest{{"kind", "train"},           {"created", evil}, {"command", evil},
                  {"machine", {{evil, evil}}}, {"plan", evil},    {"references", {evil}},
                  {"config", config}};
    auto file = record::RunFolder::create(folder / name, manifest, evil);
    file.event({{"kind", "routing"},
                {"step", 0},
                {"rows",
                 {{{"tensor", evil},
                   {"shape", evil},
                   {"role", evil},
                   {"rule", evil},
                   {"lr", evil},
                   {"reason", evil}}}}});
    file.event({{"kind", "step"}, {"step", 1}, {"loss", 2.0}, {"tokens", evil}, {"seconds", {1}}});
    file.event({{"kind", "validation"}, {"step", 1}, {"loss", 2.0}});
    file.event({{"kind", "warning"}, {"step", 1}, {"tensor", evil}, {"text", evil}});
    file.event({{"kind", "sample"}, {"step", 1}, {"text", evil}});
    file.event({{"kind", "end"}, {"step", 1}, {"ending", evil}});
    file.summary({{"sample", evil}});
  }
  {
    Json config{{"objective", {{"kind", evil}}},
                {"geometry", {{"kind", evil}}},
                {"integrator", {{"kind", evil}}},
                {"particles", {{"shapes", {{evil, {evil}}}}}}};
    auto file = record::RunFolder::create(folder / (name + "2"),
                                          Json{{"kind", "flow"}, {"config", config}}, evil);
    for (int i = 0; i < 3; ++i) {
      file.event({{"kind", "flow"},
                  {"step", i},
                  {"time", i},
                  {"objective", 1},
                  {"energy", 2.0},
                  {"kinetic", 1},
                  {"dissipated", 0},
                  {"momentum_spectrum", {{evil, {1.0, 0.5}}}}});
    }
  }
  const auto page = page_of({folder / name, folder / (name + "2")});
  EXPECT_EQ(faults_of(page), "");
  EXPECT_EQ(count_of(page, "<script"), 3U);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find('\xFF'), std::string::npos);
  EXPECT_NE(visible_text(page).find("<img src=x onerror='a'>&\""), std::string::npos);
  EXPECT_NO_THROW(embedded_json(page, "muonflow-data"));
}

TEST(Render, WhatIsMissingIsLeftOut) {
  TemporaryFolder folder;
  record::RunFolder::create(folder / "empty", Json{{"kind", "train"}}, "");
  record::RunFolder::create(folder / "empty-flow", Json{{"kind", "flow"}}, "");
  record::RunFolder::create(folder / "other", Json{{"kind", "study"}}, "");
  record::RunFolder::create(folder / "nothing", Json::object(), "");
  const auto page =
      page_of({folder / "empty", folder / "empty-flow", folder / "other", folder / "nothing"});
  EXPECT_EQ(faults_of(page), "");
  const auto text = visible_text(page);
  EXPECT_NE(text.find("1 training run, 1 flow, 1 study and 1 other run"), std::string::npos);
  EXPECT_NE(text.find("No step has been recorded yet"), std::string::npos);
  EXPECT_NE(text.find("No time has been recorded yet"), std::string::npos);
  EXPECT_TRUE(embedded_json(page, "muonflow-data")["lines"].empty());
  EXPECT_EQ(faults_of(page_of({})), "");
}

TEST(Render, ARunThatWasCutOffSaysSo) {
  TemporaryFolder folder;
  test::write_training_run(folder / "a", {.steps = 300, .done = 120});
  { std::ofstream(folder / "a" / "events.jsonl", std::ios::app) << "{\"kind\":\"step\",\"st"; }
  const auto page = page_of({folder / "a"});
  EXPECT_EQ(faults_of(page), "");
  const auto text = visible_text(page);
  EXPECT_NE(text.find("last seen at step 120 of 300"), std::string::npos);
  EXPECT_NE(text.find("the last line is cut off"), std::string::npos);
}

TEST(Render, RunsOfTheSameNameAreToldApart) {
  TemporaryFolder folder;
  test::write_training_run(folder / "x" / "muon");
  test::write_training_run(folder / "y" / "muon", {.seed = 3});
  const auto text = visible_text(page_of({folder / "x" / "muon", folder / "y" / "muon"}));
  EXPECT_NE(text.find("muon (2)"), std::string::npos);
}

// A long run must not make a page that no browser opens.
TEST(Render, LongRunsAreThinned) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "train"}}, "");
    for (int i = 1; i <= 20'000; ++i) {
      file.event({{"kind", "step"},
                  {"step", i},
                  {"tokens", 100 * i},
                  {"seconds", 0.1 * i},
                  {"loss", 1 + 1.0 / i + 0.01 * (i % 7)},
                  {"lr", 1.0},
                  {"tokens_per_second", 1000 + i % 3},
                  {"optimizer_share", 0.1}});
    }
  }
  const auto page = page_of({folder / "a"});
  EXPECT_LT(page.size(), 600'000U);
}

}  // namespace
}  // namespace muonflow::report
