// What the page's scripts draw: figures made of series over shared points, and heat maps. Sections
// add to it while they write their markup; html.cpp puts it into the page as one JSON object.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::report {

// Named lists of equal length, such as step, tokens and seconds of the same records.
using Axes = std::vector<std::pair<std::string, std::vector<double>>>;

struct Series {
  std::string label;  // shown beside a value
  std::string role;   // "line", "raw", "faint", "marks", "total", "theory" or "edge" (of a band);
                      // see charts.js
  std::size_t points{};  // index of its axes
  std::vector<double> y;
  std::optional<std::size_t> run;   // colour, and the button that hides it
  std::optional<std::size_t> tone;  // colour of a quantity, over that of the run
  struct Fill {
    std::size_t to{};  // index of the series up to which the band reaches
    std::size_t tone{};
  };
  std::optional<Fill> fill;
};

struct Figure {
  std::string id;       // of its canvas
  std::string section;  // "training", "flow" or "study": whose buttons act on it
  std::vector<std::pair<std::string, std::string>> x;  // axis key, label with unit
  std::string y;                                       // label with unit
  bool log = false;
  bool log_x = false;
  bool from_zero = false;
  std::optional<double> cap;  // upper end of the vertical axis, unless the whole range is asked for
  struct Level {
    double value{};
    std::string label;
  };
  std::optional<Level> level;  // a dashed horizontal line
  struct Marks {
    std::size_t points{};
    std::vector<std::size_t> at;  // indices into the points
  };
  std::optional<Marks> marks;  // strokes at the foot of the chart
  std::vector<Series> series;
};

struct BarFigure {
  std::string id;  // of its canvas
  std::string x;   // label with unit; longer bars are better
  struct Bar {
    std::string label;
    double value{};
    std::string role;  // "ours", "rival" or "other"
  };
  std::vector<Bar> bars;               // from top to bottom
  std::optional<Figure::Level> level;  // a dashed line across
};

struct Heatmap {
  std::string id;
  std::string x_label, y_label, value_label;
  std::vector<double> x;
  std::vector<std::vector<double>> rows;  // [row][x]
};

class PageData {
 public:
  // The index of the new points.
  std::size_t add_points(Axes axes);
  void add(Figure figure) { figures_.push_back(std::move(figure)); }
  void add(BarFigure figure) { bars_.push_back(std::move(figure)); }
  void add(Heatmap heatmap) { heatmaps_.push_back(std::move(heatmap)); }

  const std::vector<Figure>& figures() const { return figures_; }
  const std::vector<BarFigure>& bars() const { return bars_; }
  const std::vector<Heatmap>& heatmaps() const { return heatmaps_; }
  const std::vector<Axes>& points() const { return points_; }

  // Numbers are rounded to six significant digits, more than a chart can show; not finite ones are
  // null.
  Json to_json() const;

 private:
  std::vector<Axes> points_;
  std::vector<Figure> figures_;
  std::vector<BarFigure> bars_;
  std::vector<Heatmap> heatmaps_;
};

// Which of the values to draw when there are more than `limit`: the smallest and the largest of
// every stretch of equal length, the first and the last; all of them when they are few. Ascending.
// Values that are not finite are kept only where a whole stretch is.
std::vector<std::size_t> thinned(const std::vector<double>& values, std::size_t limit);
std::vector<double> pick(const std::vector<double>& values, const std::vector<std::size_t>& at);

}  // namespace muonflow::report
