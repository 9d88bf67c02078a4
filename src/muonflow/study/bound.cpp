#include "muonflow/study/bound.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/text.hpp"

namespace muonflow::study {
namespace {

// JSON has no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// Exact where that is short; a bound such as 0.97 * 2/3 in four digits. The exact one is in the
// record.
std::string told(double value) {
  constexpr std::size_t kLongest = 11;  // 1.000000001
  const auto text = shortest(value);
  return text.size() <= kLongest ? text : fmt::format("{:.4g}", value);
}

}  // namespace

bool Bound::decides() const { return std::isfinite(low) || std::isfinite(high); }

std::string Bound::range_text() const {
  if (!decides()) return "";
  if (!std::isfinite(low)) return "<= " + told(high);
  if (!std::isfinite(high)) return ">= " + told(low);
  if (low == high) return "= " + told(low);
  return "in [" + told(low) + ", " + told(high) + "]";
}

Verdict judge(const Bound& bound, const Estimate& measured) {
  if (!bound.decides()) return Verdict::pass;
  if (!std::isfinite(measured.value)) return Verdict::fail;
  const bool whole = bound.judged == Judged::interval;
  if (whole && !(std::isfinite(measured.low) && std::isfinite(measured.high))) return Verdict::fail;
  const double from = whole ? measured.low : measured.value;
  const double to = whole ? measured.high : measured.value;
  if (from >= bound.low && to <= bound.high) return Verdict::pass;
  return bound.broken == Broken::fail ? Verdict::fail : Verdict::finding;
}

Json to_json(const Bound& bound) {
  return {{"name", bound.name},
          {"quantity", bound.quantity},
          {"low", number(bound.low)},
          {"high", number(bound.high)},
          {"range", bound.range_text()},
          {"judged", enum_name(bound.judged)},
          {"broken", enum_name(bound.broken)},
          {"why", bound.why}};
}

Json to_json(const Check& check) {
  Json json = to_json(check.bound);
  json["value"] = number(check.measured.value);
  json["interval"] = {number(check.measured.low), number(check.measured.high)};
  json["samples"] = check.measured.samples;
  json["verdict"] = check.bound.decides() ? Json(enum_name(check.verdict)) : Json(nullptr);
  return json;
}

}  // namespace muonflow::study
