#include "muonflow/report/page_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace muonflow::report {
namespace {

Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  const double back = std::strtod(text, nullptr);
  // Whole numbers without a fraction: half the bytes for steps and tokens.
  if (std::abs(back) < 1e15 && back == std::floor(back)) return static_cast<std::int64_t>(back);
  return back;
}

Json rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

Json to_json(const Series& series) {
  Json out{{"label", series.label}, {"role", series.role}, {"points", series.points}};
  if (series.run) out["run"] = *series.run;
  if (series.tone) out["tone"] = *series.tone;
  if (series.fill) out["fill"] = Json{{"to", series.fill->to}, {"tone", series.fill->tone}};
  out["y"] = rounded(series.y);
  return out;
}

Json to_json(const Figure& figure) {
  Json out{{"id", figure.id}, {"section", figure.section}};
  for (const auto& [key, label] : figure.x) out["x"][key] = label;
  out["y"] = figure.y;
  if (figure.log) out["log"] = true;
  if (figure.log_x) out["log_x"] = true;
  if (figure.from_zero) out["zero"] = true;
  if (figure.cap) out["cap"] = rounded(*figure.cap);
  if (figure.level) {
    out["level"] = Json{{"value", rounded(figure.level->value)}, {"label", figure.level->label}};
  }
  if (figure.marks) {
    out["marks"] = Json{{"points", figure.marks->points}, {"at", figure.marks->at}};
  }
  out["series"] = Json::array();
  for (const auto& series : figure.series) out["series"].push_back(to_json(series));
  return out;
}

Json to_json(const BarFigure& figure) {
  Json out{{"id", figure.id}, {"x", figure.x}, {"bars", Json::array()}};
  if (figure.level) {
    out["level"] = Json{{"value", rounded(figure.level->value)}, {"label", figure.level->label}};
  }
  for (const auto& bar : figure.bars) {
    out["bars"].push_back(
        {{"label", bar.label}, {"value", rounded(bar.value)}, {"role", bar.role}});
  }
  return out;
}

Json to_json(const Heatmap& map) {
  Json out{{"id", map.id},
           {"x_label", map.x_label},
           {"y_label", map.y_label},
           {"value_label", map.value_label},
           {"x", rounded(map.x)}};
  out["rows"] = Json::array();
  for (const auto& row : map.rows) out["rows"].push_back(rounded(row));
  return out;
}

}  // namespace

std::size_t PageData::add_points(Axes axes) {
  points_.push_back(std::move(axes));
  return points_.size() - 1;
}

Json PageData::to_json() const {
  Json out{{"points", Json::array()},
           {"lines", Json::array()},
           {"bars", Json::array()},
           {"heatmaps", Json::array()}};
  for (const auto& axes : points_) {
    Json entry = Json::object();
    for (const auto& [key, values] : axes) entry[key] = rounded(values);
    out["points"].push_back(std::move(entry));
  }
  for (const auto& figure : figures_) out["lines"].push_back(report::to_json(figure));
  for (const auto& figure : bars_) out["bars"].push_back(report::to_json(figure));
  for (const auto& map : heatmaps_) out["heatmaps"].push_back(report::to_json(map));
  return out;
}

std::vector<std::size_t> thinned(const std::vector<double>& values, std::size_t limit) {
  std::vector<std::size_t> kept;
  const auto count = values.size();
  const auto stretches = std::max<std::size_t>(1, limit / 2);
  if (count <= limit) {
    for (std::size_t i = 0; i < count; ++i) kept.push_back(i);
    return kept;
  }
  kept.push_back(0);
  for (std::size_t s = 0; s < stretches; ++s) {
    const auto begin = s * count / stretches, end = (s + 1) * count / stretches;
    auto low = begin, high = begin;
    for (auto i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) continue;
      if (!std::isfinite(values[low]) || values[i] < values[low]) low = i;
      if (!std::isfinite(values[high]) || values[i] > values[high]) high = i;
    }
    kept.push_back(std::min(low, high));
    kept.push_back(std::max(low, high));
  }
  kept.push_back(count - 1);
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

std::vector<double> pick(const std::vector<double>& values, const std::vector<std::size_t>& at) {
  std::vector<double> out;
  out.reserve(at.size());
  for (const auto i : at) out.push_back(values[i]);
  return out;
}

}  // namespace muonflow::report
