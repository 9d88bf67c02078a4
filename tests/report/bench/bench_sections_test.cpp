#include "muonflow/report/bench/bench_sections.hpp"

#include <gtest/gtest.h>

#include "muonflow/report/html.hpp"
#include "tests/report/bench/synthetic_benches.hpp"
#include "tests/report/page_check.hpp"

namespace muonflow::report {
namespace {

using test::count_of;
using test::markup_faults;
using test::visible_text;

TEST(BenchSections, KernelsHaveBarsAndTables) {
  const std::vector<KernelBench> benches{kernel_bench(test::kernel_document())};
  PageData data;
  const auto markup = kernels_section(benches, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  ASSERT_EQ(data.bars().size(), 2u);
  const auto& bars = data.bars()[0].bars;
  ASSERT_EQ(bars.size(), 3u);
  // The fastest stands first.
  EXPECT_EQ(bars[0].role, "other");
  EXPECT_EQ(bars[1].role, "ours");
  EXPECT_EQ(bars[2].role, "rival");
  EXPECT_EQ(data.bars()[0].level->value, 123.4);
  EXPECT_EQ(count_of(markup, "<canvas id=\"kernels-0-1\""), 1u);
  const auto text = visible_text(markup);
  for (const char* part : {"10 ms", "10 µs each", "1.50×", "3.25×", "5.0%"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(kernels_section({}, data), "");
}

TEST(BenchSections, TheSummaryNamesTheLeastAndTheGreatestRatio) {
  const std::vector<KernelBench> benches{kernel_bench(test::kernel_document())};
  const auto text = visible_text(bench_summary_html(benches));
  EXPECT_LT(text.find("1.50×"), text.find("3.25×"));
  EXPECT_EQ(bench_summary_html({}), "");
}

TEST(BenchSections, AccuracyHasAChartAPrecisionOnLogarithmicAxes) {
  const std::vector<AccuracyBench> benches{accuracy_bench(test::accuracy_document())};
  PageData data;
  const auto markup = accuracy_section(benches, data);
  EXPECT_TRUE(markup_faults(markup).empty());
  ASSERT_EQ(data.figures().size(), 2u);
  for (const auto& figure : data.figures()) {
    EXPECT_TRUE(figure.log && figure.log_x);
    EXPECT_EQ(figure.series.size(), 4u);  // line and marks of two methods
    EXPECT_EQ(count_of(markup, "<canvas id=\"" + figure.id + "\""), 1u);
  }
  EXPECT_EQ(count_of(markup, "data-section=\"accuracy-0\""), 2u);
  EXPECT_EQ(accuracy_section({}, data), "");
}

TEST(BenchSections, TheWholePage) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=\"x()\">";
  const std::vector<BenchFile> files{test::kernel_document(evil), test::accuracy_document()};
  const auto page = render({}, files);
  EXPECT_TRUE(markup_faults(page).empty());
  EXPECT_EQ(page.find("<img"), std::string::npos);
  const auto data = test::embedded_json(page, "muonflow-data");
  EXPECT_EQ(data["bars"].size(), 2u);
  EXPECT_EQ(data["lines"].size(), 2u);
  EXPECT_EQ(data["bars"][0]["level"]["value"], 123.4);
  EXPECT_EQ(data["lines"][0]["log_x"], true);
  const auto text = visible_text(page);
  for (const char* part : {"2 benchmarks", "Measured 2026-01-02", "A processor of two cores"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace muonflow::report
