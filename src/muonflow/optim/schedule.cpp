#include "muonflow/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "muonflow/core/error.hpp"

namespace muonflow::optim {

void Schedule::fields(FieldVisitor& v) {
  v.choice("kind", kind, "shape of the learning rate over the run");
  v.integer("warmup", warmup, kNonNegative, "steps that rise to the full learning rate");
  v.real("floor", floor, kUnit, "factor at the end of the run");
  v.real("decay_fraction", decay_fraction, {.lo = 0, .hi = 1, .lo_open = true},
         "wsd: part of the run in which the learning rate falls");
}

double Schedule::factor(std::int64_t step, std::int64_t total) const {
  if (step < 0) {
    throw ConfigError(
        {.place = "schedule", .expected = "a step of at least 0", .found = std::to_string(step)});
  }
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (kind == ScheduleKind::constant) return 1;
  auto first = static_cast<double>(warmup);  // the step from which the factor falls
  const auto end = static_cast<double>(total);
  if (kind == ScheduleKind::wsd) first = std::max(first, end * (1 - decay_fraction));
  if (static_cast<double>(step) <= first) return 1;
  if (step >= total) return floor;
  const double way = (static_cast<double>(step) - first) / (end - first);  // in (0, 1)
  const double part =
      kind == ScheduleKind::cosine ? 0.5 * (1 + std::cos(std::numbers::pi * way)) : 1 - way;
  return floor + (1 - floor) * part;
}

}  // namespace muonflow::optim
