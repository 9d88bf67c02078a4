#include "muonflow/study/figure.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace muonflow::study {
namespace {

Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double v : values) list.push_back(std::isfinite(v) ? Json(v) : Json(nullptr));
  return list;
}

}  // namespace

Json to_json(const Figure& figure) {
  Json json = {{"name", figure.name},    {"caption", figure.caption}, {"x", figure.x},
               {"y", figure.y},          {"log_x", figure.log_x},     {"log_y", figure.log_y},
               {"curves", Json::array()}};
  for (const auto& curve : figure.curves) {
    Json one = {{"label", curve.label},
                {"drawn", enum_name(curve.drawn)},
                {"x", numbers(curve.x)},
                {"y", numbers(curve.y)}};
    if (!curve.low.empty()) one["low"] = numbers(curve.low);
    if (!curve.high.empty()) one["high"] = numbers(curve.high);
    json["curves"].push_back(std::move(one));
  }
  return json;
}

Curve power_line(std::string label, const std::vector<double>& x, double slope, double intercept) {
  Curve curve{.label = std::move(label), .drawn = Drawn::dashed};
  if (x.empty()) return curve;
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  for (const double at : {*low, *high}) {
    curve.x.push_back(at);
    curve.y.push_back(std::exp(intercept + slope * std::log(at)));
  }
  return curve;
}

}  // namespace muonflow::study
