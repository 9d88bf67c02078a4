#include "muonflow/cli/terminal_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace muonflow::cli {
namespace {

constexpr std::array<char, 8> kMarks{'o', '+', 'x', '*', '#', '@', '%', '&'};
constexpr std::array<int, 6> kColours{34, 33, 32, 35, 36, 31};
constexpr int kLabelWidth = 9;

struct Interval {
  double lo = std::numeric_limits<double>::infinity();
  double hi = -std::numeric_limits<double>::infinity();

  void include(double value) {
    lo = std::min(lo, value);
    hi = std::max(hi, value);
  }
  bool empty() const { return !(lo <= hi); }
};

Curve finite_points(const Curve& curve) {
  Curve kept{curve.label, {}, {}};
  for (std::size_t i = 0; i < std::min(curve.x.size(), curve.y.size()); ++i) {
    if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) continue;
    kept.x.push_back(curve.x[i]);
    kept.y.push_back(curve.y[i]);
  }
  return kept;
}

// The height of a curve at x, on the straight line between its neighbours.
std::optional<double> height(const Curve& curve, double x) {
  if (curve.x.empty() || x < curve.x.front() || x > curve.x.back()) return std::nullopt;
  const auto after = std::lower_bound(curve.x.begin(), curve.x.end(), x);
  const auto i = static_cast<std::size_t>(after - curve.x.begin());
  if (curve.x[i] == x || i == 0) return curve.y[i];
  const double part = (x - curve.x[i - 1]) / (curve.x[i] - curve.x[i - 1]);
  return curve.y[i - 1] + part * (curve.y[i] - curve.y[i - 1]);
}

class Canvas {
 public:
  Canvas(int columns, int rows, Interval x, Interval y)
      : columns_(columns), rows_(rows), x_(x), y_(y) {
    cells_.assign(static_cast<std::size_t>(rows),
                  std::vector<int>(static_cast<std::size_t>(columns), -1));
  }

  void draw(const Curve& curve, int index) {
    for (int column = 0; column < columns_; ++column) {
      const double x = x_.lo + (x_.hi - x_.lo) * column / (columns_ - 1);
      const auto y = height(curve, x);
      if (!y || *y > y_.hi) continue;
      const double down = (y_.hi - *y) / (y_.hi - y_.lo) * (rows_ - 1);
      const int row = std::clamp(static_cast<int>(std::lround(down)), 0, rows_ - 1);
      int& cell = cells_[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
      if (cell < 0) cell = index;
    }
  }

  std::string text(const ChartLook& look) const {
    std::string text;
    for (int row = 0; row < rows_; ++row) {
      const bool labelled = row % 4 == 0 || row == rows_ - 1;
      const double level = y_.hi - (y_.hi - y_.lo) * row / (rows_ - 1);
      text += labelled ? fmt::format("{:>{}.4g} |", level, kLabelWidth - 2)
                       : fmt::format("{:>{}}|", "", kLabelWidth - 1);
      for (const int cell : cells_[static_cast<std::size_t>(row)]) text += mark(cell, look.colour);
      while (text.back() == ' ') text.pop_back();
      text += '\n';
    }
    text += fmt::format("{:>{}}+{:-<{}}\n", "", kLabelWidth - 1, "", columns_);
    const std::string left = fmt::format("{:g}", x_.lo);
    const std::string right = fmt::format("{:.4g} {}", x_.hi, look.x_label);
    text += fmt::format("{:>{}}{}{:>{}}\n", "", kLabelWidth, left, right,
                        std::max(1, columns_ - static_cast<int>(left.size())));
    return text;
  }

  static std::string mark(int index, bool colour) {
    if (index < 0) return " ";
    const auto i = static_cast<std::size_t>(index);
    const char symbol = kMarks[i % kMarks.size()];
    return colour ? fmt::format("\x1b[{}m{}\x1b[0m", kColours[i % kColours.size()], symbol)
                  : std::string(1, symbol);
  }

 private:
  int columns_, rows_;
  Interval x_, y_;
  std::vector<std::vector<int>> cells_;  // index of the curve, -1: none
};

}  // namespace

std::string draw_chart(std::span<const Curve> curves, const ChartLook& look) {
  std::vector<Curve> drawn;
  Interval x;
  for (const auto& curve : curves) {
    drawn.push_back(finite_points(curve));
    for (const double value : drawn.back().x) x.include(value);
  }
  if (x.empty() || x.lo == x.hi) return "";
  Interval y;
  const double tenth = x.lo + (x.hi - x.lo) / 10;
  for (const auto& curve : drawn) {
    if (const auto at_tenth = height(curve, tenth)) y.include(*at_tenth);
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (curve.x[i] >= tenth) y.include(curve.y[i]);
    }
  }
  if (y.empty()) return "";
  if (y.lo == y.hi) y.hi += std::max(1e-12, std::abs(y.hi) * 1e-6);

  Canvas canvas(std::max(20, look.columns - kLabelWidth), std::max(4, look.rows), x, y);
  for (std::size_t i = 0; i < drawn.size(); ++i) canvas.draw(drawn[i], static_cast<int>(i));
  std::string text = canvas.text(look) + fmt::format("{:>{}}", "", kLabelWidth);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    text += fmt::format("{} {}   ", Canvas::mark(static_cast<int>(i), look.colour), drawn[i].label);
  }
  while (text.back() == ' ') text.pop_back();
  return text + "\n";
}

}  // namespace muonflow::cli
