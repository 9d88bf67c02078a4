#include "muonflow/report/bench/log_log_svg.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "tests/report/bench/synthetic_benches.hpp"
#include "tests/report/page_check.hpp"

namespace muonflow::report {
namespace {

using test::count_of;

// Every element of the XML is closed, by itself or in its order, and no other < or & stands in it.
bool well_formed(const std::string& xml) {
  static const std::regex piece(
      "<([A-Za-z]+)( "
      "[A-Za-z0-9-]+=\"[^\"<&]*\")*(/?)>|</([A-Za-z]+)>|([^<&]|&(lt|gt|amp|quot|#39);)+");
  std::vector<std::string> open;
  std::size_t read = 0;
  for (auto at = std::sregex_iterator(xml.begin(), xml.end(), piece); at != std::sregex_iterator();
       ++at) {
    const auto& match = *at;
    if (static_cast<std::size_t>(match.position()) != read) return false;
    read += static_cast<std::size_t>(match.length());
    if (match[1].matched && match[3].length() == 0) open.push_back(match[1]);
    if (!match[4].matched) continue;
    if (open.empty() || open.back() != match[4]) return false;
    open.pop_back();
  }
  return read == xml.size() && open.empty();
}

TEST(LogLogSvg, DrawsEveryPointThatAnAxisCanShow) {
  const LogLogPanel panel{"one",
                          "x",
                          "y",
                          {{"falls", {1, 10, 100}, {1e-2, 1e-4, 1e-6}},
                           {"broken", {1, 10, 100}, {1e-3, std::nan(""), 0}}}};
  const auto svg = log_log_svg(std::vector{panel}, "A title");
  EXPECT_EQ(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0), 0u);
  EXPECT_TRUE(well_formed(svg));
  // Three marks and one in the legend; one and one.
  EXPECT_EQ(count_of(svg, "<circle "), 4u);
  EXPECT_EQ(count_of(svg, "stroke=\"#ffffff\""), 6u);
  for (const char* part : {">10⁻⁶<", ">10²<", ">1<", ">falls<", ">broken<", ">A title<"}) {
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("href"), std::string::npos);
}

// Nine lines: the ninth has the first one's colour, dashed, with hollow marks.
TEST(LogLogSvg, ManyLinesAreToldApart) {
  LogLogPanel panel{"", "", "", {}};
  for (int i = 0; i < 9; ++i) panel.lines.push_back({std::to_string(i), {1, 2}, {1, 2}});
  const auto svg = log_log_svg(std::vector{panel}, "");
  EXPECT_EQ(count_of(svg, "stroke-dasharray"), 2u);  // the line, and its legend
}

TEST(LogLogSvg, NothingToDrawIsStillAPicture) {
  EXPECT_TRUE(well_formed(log_log_svg({}, "none")));
  const LogLogPanel empty{"", "", "", {{"a", {0}, {-1}}}};
  EXPECT_EQ(count_of(log_log_svg(std::vector{empty}, "<&>"), "<title>&lt;&amp;&gt;</title>"), 1u);
}

TEST(LogLogSvg, AccuracyHasAPanelAPrecision) {
  const auto svg = accuracy_svg(accuracy_bench(test::accuracy_document()));
  EXPECT_NE(svg.find(">float32<"), std::string::npos);
  EXPECT_NE(svg.find(">float64<"), std::string::npos);
  EXPECT_EQ(count_of(svg, ">jordan<"), 1u);  // one legend for both
}

}  // namespace
}  // namespace muonflow::report
