#include "muonflow/report/bench/log_log_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/report/markup.hpp"

namespace muonflow::report {
namespace {

// Those of page.css on a light ground.
constexpr std::array<std::string_view, 8> kColours{"#0072b2", "#d55e00", "#00845f", "#b8548f",
                                                   "#a87500", "#3a8fc4", "#6b5bb5", "#5f6b76"};
constexpr double kPanelWidth = 420, kPanelHeight = 300, kGap = 24;
constexpr double kLeft = 64, kTop = 56, kBottom = 52, kRight = 16;
constexpr double kLegendRow = 20, kLegendColumn = 190;

// Whole decades around the positive numbers.
struct Decades {
  int low = 0;
  int high = 1;

  double fraction(double value) const { return (std::log10(value) - low) / (high - low); }
  // Every decade, or those divisible by two, three, ... where all leave no room.
  std::vector<int> ticks(int most) const {
    const int every = std::max(1, (high - low + most - 1) / most);
    std::vector<int> out;
    for (int e = low; e <= high; ++e) {
      if (e % every == 0) out.push_back(e);
    }
    return out;
  }
};

class Extent {
 public:
  void see(double value) {
    if (!(value > 0) || !std::isfinite(value)) return;
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  Decades decades() const {
    if (!(low_ <= high_)) return {};
    Decades out{static_cast<int>(std::floor(std::log10(low_) + 1e-9)),
                static_cast<int>(std::ceil(std::log10(high_) - 1e-9))};
    if (out.low == out.high) ++out.high;
    return out;
  }

 private:
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
};

std::string power_of_ten(int exponent) {
  constexpr std::array<std::string_view, 10> kDigits{"⁰", "¹", "²", "³", "⁴",
                                                     "⁵", "⁶", "⁷", "⁸", "⁹"};
  if (exponent == 0) return "1";
  std::string out = exponent < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(exponent))) {
    out += kDigits[static_cast<std::size_t>(c - '0')];
  }
  return out;
}

std::string text_svg(double x, double y, std::string_view anchor, std::string_view style,
                     const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, style, escape(text));
}

// The mark of the line with this index: four shapes, hollow from the ninth line on.
std::string mark_svg(std::size_t index, double x, double y) {
  const auto colour = kColours[index % kColours.size()];
  const auto paint =
      index < kColours.size()
          ? fmt::format("fill=\"{}\" stroke=\"#ffffff\"", colour)
          : fmt::format("fill=\"#ffffff\" stroke=\"{}\" stroke-width=\"1.5\"", colour);
  constexpr double r = 3.5;
  switch (index % 4) {
    case 0:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" {}/>\n", x, y, r, paint);
    case 1:
      return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" {}/>\n", x - r,
                         y - r, 2 * r, 2 * r, paint);
    case 2:
      return fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z\" {}/>\n", x,
                         y - 1.2 * r, x + 1.2 * r, y + r, x - 1.2 * r, y + r, paint);
    default:
      return fmt::format(
          "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z\" {}/>\n", x,
          y - 1.3 * r, x + 1.3 * r, y, x, y + 1.3 * r, x - 1.3 * r, y, paint);
  }
}

std::string stroke(std::size_t index) {
  return fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"{}",
                     kColours[index % kColours.size()],
                     index < kColours.size() ? "" : " stroke-dasharray=\"6 3\"");
}

class Panel {
 public:
  Panel(double left, const Decades& x, const Decades& y) : left_(left), x_(x), y_(y) {}

  std::string axes(const LogLogPanel& panel, bool with_y_label) const {
    std::string out = text_svg(left_, kTop - 12, "start", " class=\"strong\"", panel.title);
    for (const int e : x_.ticks(8)) {
      const double x = place_x(std::pow(10.0, e));
      out += grid(x, kTop, x, kTop + kPanelHeight);
      out += text_svg(x, kTop + kPanelHeight + 18, "middle", "", power_of_ten(e));
    }
    for (const int e : y_.ticks(9)) {
      const double y = place_y(std::pow(10.0, e));
      out += grid(left_, y, left_ + kPanelWidth, y);
      out += text_svg(left_ - 8, y + 4, "end", "", power_of_ten(e));
    }
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" "
        "stroke=\"#a0a8b0\"/>\n",
        left_, kTop, kPanelWidth, kPanelHeight);
    out += text_svg(left_ + kPanelWidth / 2, kTop + kPanelHeight + 40, "middle", " class=\"ink\"",
                    panel.x_label);
    if (with_y_label) {
      const double x = left_ - 48, y = kTop + kPanelHeight / 2;
      out += text_svg(x, y, "middle",
                      fmt::format(" class=\"ink\" transform=\"rotate(-90 {:.1f} {:.1f})\"", x, y),
                      panel.y_label);
    }
    return out;
  }

  std::string line(const LogLogLine& line, std::size_t index) const {
    std::string path, marks;
    bool drawn = false;  // whether the last point can be joined
    for (std::size_t i = 0; i < std::min(line.x.size(), line.y.size()); ++i) {
      const bool shown =
          line.x[i] > 0 && line.y[i] > 0 && std::isfinite(line.x[i]) && std::isfinite(line.y[i]);
      if (shown) {
        const double x = place_x(line.x[i]), y = place_y(line.y[i]);
        path += fmt::format("{}{:.1f} {:.1f}", drawn ? "L" : "M", x, y);
        marks += mark_svg(index, x, y);
      }
      drawn = shown;
    }
    if (path.empty()) return {};
    return fmt::format("<path d=\"{}\" {}/>\n", path, stroke(index)) + marks;
  }

 private:
  double place_x(double value) const { return left_ + kPanelWidth * x_.fraction(value); }
  double place_y(double value) const { return kTop + kPanelHeight * (1 - y_.fraction(value)); }
  static std::string grid(double x1, double y1, double x2, double y2) {
    return fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#e4e8eb\"/>\n", x1,
        y1, x2, y2);
  }

  double left_;
  Decades x_, y_;
};

std::string legend(const std::vector<std::string>& labels, double top, std::size_t columns) {
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double x = kLeft + kLegendColumn * static_cast<double>(i % columns);
    const double y = top + kLegendRow * static_cast<double>(i / columns);
    out +=
        fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" {}/>\n", x, y, x + 24, y, stroke(i));
    out += mark_svg(i, x + 12, y);
    out += text_svg(x + 32, y + 4, "start", " class=\"ink\"", labels[i]);
  }
  return out;
}

}  // namespace

std::string log_log_svg(std::span<const LogLogPanel> panels, const std::string& title) {
  Extent x_extent, y_extent;
  std::vector<std::string> labels;
  const auto index_of = [&](const std::string& label) {
    return static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) -
                                    labels.begin());
  };
  for (const auto& panel : panels) {
    for (const auto& line : panel.lines) {
      if (index_of(line.label) == labels.size()) labels.push_back(line.label);
      for (const double x : line.x) x_extent.see(x);
      for (const double y : line.y) y_extent.see(y);
    }
  }
  const auto count = static_cast<double>(std::max<std::size_t>(1, panels.size()));
  const double width = kLeft + count * kPanelWidth + (count - 1) * (kLeft + kGap) + kRight;
  const auto columns =
      static_cast<std::size_t>(std::max(1.0, std::floor((width - kLeft - kRight) / kLegendColumn)));
  const auto rows = static_cast<double>((labels.size() + columns - 1) / columns);
  const double legend_top = kTop + kPanelHeight + kBottom + 14;
  const double height = legend_top + kLegendRow * rows + 4;

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\">\n<title>{2}</title>\n",
      width, height, escape(title));
  out +=
      "<style>text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',"
      "sans-serif;fill:#57606a}.ink{fill:#1b1f24}.strong{fill:#1b1f24;font-weight:650;"
      "font-size:13px}.head{fill:#1b1f24;font-weight:650;font-size:15px}</style>\n";
  out +=
      fmt::format("<rect width=\"{:.0f}\" height=\"{:.0f}\" fill=\"#ffffff\"/>\n", width, height);
  out += text_svg(kLeft, 24, "start", " class=\"head\"", title);
  double left = kLeft;
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const Panel panel(left, x_extent.decades(), y_extent.decades());
    out += panel.axes(panels[p], p == 0);
    for (const auto& line : panels[p].lines) out += panel.line(line, index_of(line.label));
    left += kPanelWidth + kLeft + kGap;
  }
  return out + legend(labels, legend_top, columns) + "</svg>\n";
}

std::string accuracy_svg(const AccuracyBench& bench) {
  std::vector<LogLogPanel> panels;
  for (const auto& dtype : bench.dtypes()) {
    LogLogPanel panel{dtype, "condition number", "relative error", {}};
    for (const auto& series : bench.series) {
      if (series.dtype == dtype) {
        panel.lines.push_back({series.name, bench.conditions, series.errors});
      }
    }
    panels.push_back(std::move(panel));
  }
  return log_log_svg(panels,
                     fmt::format("Error of the polar factor, {0:g} x {0:g}, {1:g} steps of the "
                                 "polynomial methods",
                                 bench.size, bench.steps));
}

}  // namespace muonflow::report
