// How the learning rate moves over a run: a factor that multiplies every group's learning rate.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "muonflow/core/fields.hpp"

namespace muonflow::optim {

enum class ScheduleKind {
  constant,
  linear,  // straight to `floor` at the end
  cosine,  // half a cosine to `floor` at the end
  wsd,     // warmup, stable, decay: constant, then straight to `floor` over the last part
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  std::int64_t warmup = 0;      // steps that rise to 1; the first has factor 1 / warmup
  double floor = 0;             // factor that the end of the run would have
  double decay_fraction = 0.2;  // wsd: part of the run in which it falls

  void fields(FieldVisitor& v);
  // Factor of step `step` (from 0) of `total`; steps past the end have `floor`. Throws ConfigError
  // where step is negative.
  double factor(std::int64_t step, std::int64_t total) const;
};

// Rises from `start` to the rule's own momentum over `steps`; 0 steps is off. For rules that have
// an option `momentum`.
struct MomentumWarmup {
  double start = 0.85;
  std::int64_t steps = 0;

  void fields(FieldVisitor& v);
  double momentum(std::int64_t step, double target) const;
};

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ScheduleKind> {
  static constexpr std::array<std::string_view, 4> names{"constant", "linear", "cosine", "wsd"};
};
