// The parts of the page that are not made of data: our style sheet and scripts (page.css,
// charts.js, heatmap.js, page.js beside this header) and Chart.js as the system installed it, with
// its licence comment. Embedded at build time by embed.cmake.
#pragma once

#include <string_view>

namespace muonflow::report {

extern const std::string_view kChartJs;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;

}  // namespace muonflow::report
