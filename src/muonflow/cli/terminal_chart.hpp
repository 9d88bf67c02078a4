// Curves drawn with characters, for a terminal.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace muonflow::cli {

struct Curve {
  std::string label;
  std::vector<double> x;  // ascending
  std::vector<double> y;
};

struct ChartLook {
  int columns = 80;  // of the whole chart, labels included
  int rows = 14;     // of the plot alone
  std::string x_label;
  bool colour = false;
};

// The vertical axis spans what the curves do after the first tenth of the horizontal one, so that a
// steep start does not flatten the rest; what lies above is cut off. Points are joined by straight
// lines; points that are not finite are left out. Where curves cross, the first one is seen. A
// legend follows. Empty where there is nothing to draw.
std::string draw_chart(std::span<const Curve> curves, const ChartLook& look);

}  // namespace muonflow::cli
