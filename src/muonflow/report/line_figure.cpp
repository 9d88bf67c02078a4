#include "muonflow/report/line_figure.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

constexpr double kBlank = std::numeric_limits<double>::quiet_NaN();

// Values that the axis can show; the others are gaps.
void make_gaps(const Figure& figure, std::vector<double>& values) {
  for (double& value : values) {
    if (!std::isfinite(value) || (figure.log && !(value > 0))) value = kBlank;
  }
}

Axes pick_axes(const Axes& axes, const std::vector<std::size_t>& kept) {
  Axes picked;
  for (const auto& [name, values] : axes) picked.emplace_back(name, pick(values, kept));
  return picked;
}

}  // namespace

bool add_line(Figure& figure, PageData& data, Line line, std::size_t limit) {
  for (auto* values : {&line.y, &line.low, &line.high}) make_gaps(figure, *values);
  if (std::none_of(line.y.begin(), line.y.end(), [](double v) { return std::isfinite(v); })) {
    return false;
  }
  const auto kept = thinned(line.y, limit);
  const auto points = data.add_points(pick_axes(line.axes, kept));
  const auto series = [&](const std::string& role, const std::vector<double>& y) {
    return Series{.label = line.label,
                  .role = role,
                  .points = points,
                  .y = pick(y, kept),
                  .run = line.run,
                  .tone = line.tone,
                  .fill = {}};
  };
  const bool band = line.low.size() == line.y.size() && line.high.size() == line.y.size();
  if (band) {
    auto low = series("edge", line.low);
    low.label += ", low end";
    auto high = series("edge", line.high);
    high.label += ", high end";
    high.fill =
        Series::Fill{.to = figure.series.size(), .tone = line.tone.value_or(line.run.value_or(0))};
    figure.series.push_back(std::move(low));
    figure.series.push_back(std::move(high));
  }
  figure.series.push_back(series(line.role, line.y));
  return true;
}

std::string finish_figure(Figure figure, PageData& data, const std::string& caption,
                          std::string_view kind, const std::string& above) {
  if (figure.series.empty()) return {};
  const auto id = figure.id;
  data.add(std::move(figure));
  return figure_html(id, caption, kind, above);
}

}  // namespace muonflow::report
