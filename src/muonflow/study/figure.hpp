// What a study draws, as data: the report and anybody's plotting program read it from the run
// folder.
#pragma once

#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::study {

enum class Drawn { line, marks, dashed };  // measured curve, measured points, theory or fit

struct Curve {
  std::string label;
  Drawn drawn = Drawn::line;
  std::vector<double> x{}, y{};
  std::vector<double> low{}, high{};  // 95% band, empty or as long as y
};

struct Figure {
  std::string name;       // unique in its study: "chaos"
  std::string caption{};  // what one sees
  std::string x{}, y{};   // labels
  bool log_x = false, log_y = false;
  std::vector<Curve> curves{};
};

Json to_json(const Figure& figure);

// The curve factor * x^slope over the ends of x, for log axes.
Curve power_line(std::string label, const std::vector<double>& x, double slope, double intercept);

}  // namespace muonflow::study

namespace muonflow {
template <>
struct EnumNames<study::Drawn> {
  static constexpr std::array<std::string_view, 3> names{"line", "marks", "dashed"};
};
}  // namespace muonflow
