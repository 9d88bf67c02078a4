// A line chart of one line a run (or a quantity), as every section draws it: thinned to what a
// chart can show, with gaps where a log axis has no place, left out where there is nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/report/page_data.hpp"

namespace muonflow::report {

inline constexpr std::size_t kPointsOfALine = 1200;  // more than the pixels a line spans

struct Line {
  std::string label;
  Axes axes;  // each as long as y
  std::vector<double> y;
  std::string role = "line";
  std::optional<std::size_t> run{};
  std::optional<std::size_t> tone{};
  std::vector<double> low{}, high{};  // a band around it, or empty
};

// Adds a line to the figure; whether it had anything to show.
bool add_line(Figure& figure, PageData& data, Line line, std::size_t limit = kPointsOfALine);

// Gives the figure to the page where it has any series, and returns its markup: caption (markup)
// and canvas; empty where it has none.
std::string finish_figure(Figure figure, PageData& data, const std::string& caption,
                          std::string_view kind = "", const std::string& above = "");

}  // namespace muonflow::report
