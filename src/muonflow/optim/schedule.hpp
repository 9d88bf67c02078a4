// How the learning rate moves over a run: a factor s(t) that multiplies every group's learning
// rate.
//
//   t < warmup   s = (t + 1) / warmup
//   constant     s = 1
//   linear       s = floor + (1 - floor) (1 - u)                  u = (t - first) / (total - first)
//   cosine       s = floor + (1 - floor) (1 + cos(pi u)) / 2      first = warmup
//   wsd          as linear, from first = max(warmup, total (1 - decay_fraction)) on; 1 before
//
// Every schedule peaks at 1, so s is also the learning rate over its peak. Identity: constant
// without warmup.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

enum class ScheduleKind {
  constant,
  linear,  // straight to `floor` at the end
  cosine,  // half a cosine to `floor` at the end
  wsd,     // warmup, stable, decay: constant, then straight to `floor` over the last part
};

struct Schedule {
  static constexpr TransformInfo info{.name = "schedule",
                                      .summary = "the learning rate over the run",
                                      .keys = "[schedule]",
                                      .cite = ""};

  ScheduleKind kind = ScheduleKind::constant;
  std::int64_t warmup = 0;      // steps that rise to 1; the first has factor 1 / warmup
  double floor = 0;             // factor that the end of the run would have
  double decay_fraction = 0.2;  // wsd: part of the run in which it falls

  void fields(FieldVisitor& v);
  // Factor of step `step` (from 0) of `total`; steps past the end have `floor`. Throws ConfigError
  // where step is negative.
  double factor(std::int64_t step, std::int64_t total) const;
};

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ScheduleKind> {
  static constexpr std::array<std::string_view, 4> names{"constant", "linear", "cosine", "wsd"};
};
