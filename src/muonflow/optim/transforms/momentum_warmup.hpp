// Momentum warmup: a short memory while the first gradients change fast.
//
//   momentum_t = start + (momentum - start) t / steps   for t < steps, momentum from then on
//
// t counts the optimizer's steps, `momentum` is the rule's own option, which the driver rewrites
// before each step; a rule whose momentum is 0 holds no buffer for it and is left alone. Identity:
// steps = 0. References: K. Jordan et al., modded-nanogpt, 2024 (0.85 to 0.95 over 300 steps).
#pragma once

#include <cstdint>

#include "muonflow/core/fields.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct MomentumWarmup {
  static constexpr TransformInfo info{.name = "momentum_warmup",
                                      .summary = "momentum rises to the rule's own",
                                      .keys = "optimizer.momentum_warmup, or a group's",
                                      .cite = "modded-nanogpt"};

  double start = 0.85;     // momentum of the first step
  std::int64_t steps = 0;  // 0: off

  void fields(FieldVisitor& v);
  // Of step `step` (from 0) for a rule whose own momentum is `target`.
  double momentum(std::int64_t step, double target) const;
};

}  // namespace muonflow::optim
