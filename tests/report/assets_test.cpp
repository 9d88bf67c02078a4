#include "muonflow/report/assets.hpp"

#include <gtest/gtest.h>

#include <array>

namespace muonflow::report {
namespace {

TEST(Assets, ChartJsIsWholeAndKeepsItsLicence) {
  EXPECT_NE(kChartJs.substr(0, 200).find("Chart.js v3"), std::string_view::npos);
  EXPECT_NE(kChartJs.substr(0, 300).find("MIT License"), std::string_view::npos);
  EXPECT_NE(kChartJs.substr(kChartJs.size() - 200).find("Chart"), std::string_view::npos);
  EXPECT_GT(kChartJs.size(), 150'000U);
}

// A script ends at the first "</script", wherever that stands.
TEST(Assets, NothingEndsItsOwnElement) {
  for (const auto text : {kChartJs, kPageJs}) {
    EXPECT_EQ(text.find("</script"), std::string_view::npos);
    EXPECT_EQ(text.find("<!--"), std::string_view::npos);
  }
  EXPECT_EQ(kPageCss.find("</style"), std::string_view::npos);
}

TEST(Assets, OurPartsAskForNothingFromOutside) {
  constexpr std::array<std::string_view, 9> kForbidden{"http:",     "https:",     "url(",
                                                       "@import",   "fetch(",     "XMLHttpRequest",
                                                       "WebSocket", "sendBeacon", "import("};
  for (const auto part : kForbidden) {
    EXPECT_EQ(kPageCss.find(part), std::string_view::npos) << part;
    EXPECT_EQ(kPageJs.find(part), std::string_view::npos) << part;
  }
}

TEST(Assets, ScriptsStandInTheOrderOfTheirUse) {
  const auto charts = kPageJs.find("muonflow.drawLines ="),
             map = kPageJs.find("muonflow.drawHeatmap =");
  const auto page = kPageJs.find("dataset.ready");
  ASSERT_NE(page, std::string_view::npos);
  EXPECT_LT(charts, map);
  EXPECT_LT(map, page);
  EXPECT_NE(kPageCss.find("prefers-color-scheme: dark"), std::string_view::npos);
}

}  // namespace
}  // namespace muonflow::report
