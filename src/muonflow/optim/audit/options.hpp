// How a run is audited.
//
//   [audit]
//   every = 50             # steps; the first two steps of a run are audited too
//   on_failure = "stop"
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "muonflow/core/fields.hpp"

namespace muonflow::optim {

enum class OnFailure {
  stop,  // the run ends; what it saves is the state before the step
  warn,  // one line, and on
};

struct AuditOptions {
  std::optional<std::int64_t> every{};  // steps between audits; off: no audit
  OnFailure on_failure = OnFailure::stop;
  std::int64_t tensors = 4;   // sampled for each audit
  std::int64_t matrices = 2;  // sampled of each tensor that holds several
  std::int64_t seed = 0;      // of the samples
  // Of the run's time. An audit that would go beyond it waits for a later step; off: none waits.
  std::optional<double> max_share = 0.02;
  // Seconds that all audits together may take whatever their share, so that short runs are looked
  // at more than twice.
  double free_seconds = 0.08;

  void fields(FieldVisitor& v);
};

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::OnFailure> {
  static constexpr std::array<std::string_view, 2> names{"stop", "warn"};
};
