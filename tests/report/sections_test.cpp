#include "muonflow/report/sections.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "tests/report/page_check.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::count_of;
using test::markup_faults;
using test::visible_text;

class Sections : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TemporaryFolder;
    test::write_training_run(*folder_ / "fast", {.speed = 40, .seed = 1});
    test::write_training_run(*folder_ / "slow",
                             {.rule = "adamw", .lr = 0.003, .floor = 1.7, .seed = 2});
    test::write_flow_run(*folder_ / "flow", {.records = 60});
    test::write_flow_run(*folder_ / "other",
                         {.integrator = "muon", .records = 30, .spectra = false});
  }
  static void TearDownTestSuite() { delete folder_; }

  static TrainingRun training(const std::string& name) {
    return training_run(record::RunReader::open(*folder_ / name), name);
  }
  static FlowRun flow(const std::string& name) {
    return flow_run(record::RunReader::open(*folder_ / name), name);
  }
  static NamedRun named(const std::string& name) {
    return {.name = name, .reader = record::RunReader::open(*folder_ / name)};
  }

  static inline test::TemporaryFolder* folder_ = nullptr;
};

TEST_F(Sections, SummaryTellsWhoCameFirst) {
  const std::vector<TrainingRun> runs{training("slow"), training("fast")};
  const auto text = visible_text(summary_html(runs, {}));
  EXPECT_EQ(text.find("Two training runs on austen."), 0U);
  EXPECT_LT(text.find("fast at step"), text.find("slow at step 300"));
  EXPECT_NE(text.find("The best of all is fast"), std::string::npos);
  EXPECT_EQ(summary_html({}, {}), "");
}

TEST_F(Sections, SummaryOfOneRunAndAFlow) {
  const std::vector<TrainingRun> runs{training("fast")};
  const std::vector<FlowRun> flows{flow("flow")};
  const auto markup = summary_html(runs, flows);
  EXPECT_TRUE(markup_faults(markup).empty());
  const auto text = visible_text(markup);
  EXPECT_NE(text.find("reached its lowest validation loss"), std::string::npos);
  EXPECT_NE(text.find("the energy fell from"), std::string::npos);
  EXPECT_NE(text.find("rose at 900 of 600 steps, the energy at none"), std::string::npos);
}

TEST_F(Sections, DifferentTextsAreNotCompared) {
  std::vector<TrainingRun> runs{training("slow"), training("fast")};
  runs[0].data = "folder/other.txt";
  EXPECT_EQ(runs[0].data_label(), "other.txt");
  EXPECT_NE(visible_text(summary_html(runs, {})).find("not comparable"), std::string::npos);
  PageData data;
  EXPECT_NE(visible_text(training_section(runs, data)).find("not comparable"), std::string::npos);
}

TEST_F(Sections, TrainingHasItsFiguresTablesAndSamples) {
  const std::vector<TrainingRun> runs{training("slow"), training("fast")};
  PageData data;
  const auto markup = training_section(runs, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  ASSERT_EQ(data.figures().size(), 4U);
  for (const auto& figure : data.figures()) {
    EXPECT_EQ(count_of(markup, "<canvas id=\"" + figure.id + "\""), 1U);
    for (const auto& series : figure.series) {
      EXPECT_EQ(series.y.size(), data.points()[series.points].front().second.size());
    }
  }
  const auto& loss = data.figures().front();
  EXPECT_EQ(loss.series.size(), 6U);  // raw, mean and validation of two runs
  ASSERT_TRUE(loss.level);
  EXPECT_TRUE(loss.cap);
  EXPECT_EQ(loss.x.size(), 3U);
  EXPECT_EQ(count_of(markup, "<pre class=\"sample\""), 2U);
  EXPECT_EQ(count_of(markup, "<code>transformer.wte.weight</code>"), 2U);
  // Of the best losses, steps and times one each is marked.
  EXPECT_EQ(count_of(markup, "number best"), 3U);
  EXPECT_EQ(training_section({}, data), "");
}

TEST_F(Sections, FlowsHaveLedgerSpectraAndSharedFigures) {
  const std::vector<FlowRun> runs{flow("flow"), flow("other")};
  PageData data;
  const auto markup = flow_section(runs, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  EXPECT_EQ(data.figures().size(), 2U + 5U);
  EXPECT_EQ(data.heatmaps().size(), 1U);
  const auto& ledger = data.figures().front();
  ASSERT_EQ(ledger.series.size(), 3U);
  EXPECT_TRUE(ledger.marks);
  // The top of the stack is E + dissipated.
  const auto run = flow("flow");
  EXPECT_NEAR(ledger.series[2].y.back(), run.energy.back() + run.dissipated.back(), 1e-12);
  for (const auto& figure : data.figures()) {
    if (figure.id != "flow-error") continue;
    EXPECT_TRUE(figure.log);
    EXPECT_EQ(figure.series.size(), 2U);
  }
  EXPECT_EQ(flow_section({}, data), "");
}

TEST_F(Sections, FlowsWithoutMomentumShowNone) {
  auto run = flow("flow");
  run.momentum_free = true;
  run.kinetic.assign(run.time.size(), 0.0);
  run.momentum_op_norm.assign(run.time.size(), 0.0);
  for (auto& row : run.spectra.front().rows) row.assign(row.size(), 0.0);
  PageData data;
  const auto text = visible_text(flow_section(std::vector{run}, data));
  EXPECT_TRUE(data.heatmaps().empty());
  EXPECT_EQ(text.find("kinetic"), std::string::npos);
  for (const auto& figure : data.figures()) {
    EXPECT_NE(figure.id, "flow-norm");
    EXPECT_NE(figure.id, "flow-kinetic");
  }
}

TEST_F(Sections, TableHasTheCertificateOrWhyThereIsNone) {
  auto certified = flow("flow"), bare = flow("other");
  certified.certified_rate = 0.19;
  certified.certified_whole = 0.057;
  certified.records_certified = 101;
  certified.records_holding = 51;
  certified.violations = 0;
  bare.certificate_note = "the geometry is not <smooth>";
  PageData data;
  const auto markup = flow_section(std::vector{certified, bare}, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  const auto text = visible_text(markup);
  for (const char* part : {"0.19; fitted / certified 3", "0.057; fitted / certified 10",
                           "held at 51 of 101 records; no violation among them",
                           "none: the geometry is not <smooth>"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

TEST_F(Sections, DifferencesAreThoseOfTheConfiguration) {
  const std::vector<NamedRun> runs{named("slow"), named("fast")};
  const auto text = differences_html(runs);
  EXPECT_TRUE(markup_faults(text).empty());
  EXPECT_NE(text.find("<code>optimizer.lr</code>"), std::string::npos);
  EXPECT_EQ(text.find("<code>train.steps</code>"), std::string::npos);
  EXPECT_EQ(differences_html(std::vector<NamedRun>{named("slow"), named("slow")}), "");
  EXPECT_EQ(differences_html(std::vector<NamedRun>{named("slow")}), "");
}

TEST_F(Sections, AppendixHasMachineConfigurationPlanAndReferences) {
  const std::vector<NamedRun> runs{named("slow"), named("flow")};
  const auto markup = appendix_section(runs);
  EXPECT_TRUE(markup_faults(markup).empty());
  const auto text = visible_text(markup);
  for (const char* part : {"machine.processor", "A processor of two cores", "8.0 GiB",
                           "rule = \"adamw\"", "\"gemm\": \"onednn\"", "flow: arXiv 2605.23871"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  // One plan for both.
  EXPECT_EQ(count_of(text, "\"gemm\""), 1U);
}

TEST_F(Sections, PiecesEscapeNames) {
  const std::vector<std::string> names{"<i>\"&'"};
  const auto chips = chips_html("training", names);
  EXPECT_TRUE(markup_faults(chips).empty());
  EXPECT_NE(chips.find("&lt;i&gt;&quot;&amp;&#39;"), std::string::npos);
  EXPECT_NE(swatch_html(9).find("of-1"), std::string::npos);
  EXPECT_TRUE(markup_faults(remarks_html({{"<a>", "<b>"}})).empty());
  EXPECT_EQ(remarks_html({}), "");
  const auto figure = figure_html("x", "<b>Loss</b> &lt; 2", "wide");
  EXPECT_TRUE(markup_faults(figure).empty());
  EXPECT_NE(figure.find("aria-label=\"Loss &lt; 2\""), std::string::npos);
}

}  // namespace
}  // namespace muonflow::report
