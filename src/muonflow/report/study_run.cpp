#include "muonflow/report/study_run.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "muonflow/report/events.hpp"

namespace muonflow::report {
namespace {

double number_at(const Json& list, std::size_t index) {
  const bool there = list.is_array() && index < list.size() && list[index].is_number();
  return there ? list[index].get<double>() : kNaN;
}

bool flag_of(const Json& object, std::string_view key) {
  const auto& value = member(object, key);
  return value.is_boolean() && value.get<bool>();
}

StudyCheck check_of(const Json& event) {
  const auto& interval = member(event, "interval");
  return {.name = text_of(event, {"name"}),
          .quantity = text_of(event, {"quantity"}),
          .why = text_of(event, {"why"}),
          .range = text_of(event, {"range"}),
          .whole_interval = text_of(event, {"judged"}) == "interval",
          .broken = text_of(event, {"broken"}),
          .verdict = text_of(event, {"verdict"}),
          .value = number_of(event, {"value"}),
          .low = number_at(interval, 0),
          .high = number_at(interval, 1)};
}

// Charts want their points from left to right, whatever the order in which they were measured.
void sort_by_x(StudyCurve& curve) {
  std::vector<std::size_t> order(curve.x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return curve.x[a] < curve.x[b]; });
  for (auto* values : {&curve.x, &curve.y, &curve.low, &curve.high}) {
    if (values->size() != order.size()) continue;
    std::vector<double> sorted;
    for (const auto index : order) sorted.push_back((*values)[index]);
    *values = std::move(sorted);
  }
}

StudyFigure figure_of(const Json& event) {
  StudyFigure figure{.caption = text_of(event, {"caption"}),
                     .x = text_of(event, {"x"}),
                     .y = text_of(event, {"y"}),
                     .log_x = flag_of(event, "log_x"),
                     .log_y = flag_of(event, "log_y"),
                     .curves = {}};
  for (const auto& curve : member(event, "curves")) {
    StudyCurve one{.label = text_of(curve, {"label"}),
                   .drawn = text_of(curve, {"drawn"}),
                   .x = numbers_of(curve, "x"),
                   .y = numbers_of(curve, "y"),
                   .low = numbers_of(curve, "low"),
                   .high = numbers_of(curve, "high")};
    const bool whole =
        std::all_of(one.x.begin(), one.x.end(), [](double x) { return std::isfinite(x); });
    if (one.x.size() != one.y.size() || !whole) continue;
    sort_by_x(one);
    figure.curves.push_back(std::move(one));
  }
  return figure;
}

}  // namespace

StudyRun study_run(const record::RunReader& reader, const std::string& name) {
  const auto& facts = member(reader.manifest(), "study");
  StudyRun run{.name = name,
               .study = text_of(facts, {"name"}),
               .title = text_of(facts, {"title"}),
               .paper = text_of(facts, {"paper"}),
               .statement = text_of(facts, {"statement"}),
               .computes = text_of(facts, {"computes"}),
               .verdict = {},
               .state = {},
               .wall_seconds = kNaN,
               .checks = {},
               .figures = {},
               .remarks = reader.remarks()};
  if (run.study.empty()) run.study = name;
  auto checks = reader.events("check");
  if (checks.empty()) checks = reader.events("bound");
  for (const auto* event : checks) run.checks.push_back(check_of(*event));
  for (const auto* event : reader.events("figure")) run.figures.push_back(figure_of(*event));
  for (const auto* event : reader.events("remark"))
    run.remarks.push_back(text_of(*event, {"text"}));
  if (const auto* summary = reader.summary()) {
    run.verdict = text_of(*summary, {"verdict"});
    run.wall_seconds = number_of(*summary, {"wall_seconds"});
    if (run.verdict.empty()) run.state = "interrupted: it decides nothing";
  } else {
    run.state = "no end recorded: it is still going or was cut off";
  }
  return run;
}

}  // namespace muonflow::report
