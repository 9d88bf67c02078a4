// One step of one tensor: what it claims to be, and what is known of how it went. Either may come
// from anywhere: this library's optimizer, a file, a program's own step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/core/tensor.hpp"
#include "muonflow/optim/routing.hpp"

namespace muonflow::optim {

struct StepClaim {
  // Tensor, shape, role, rule and its options, learning rate, weight decay, transforms, layout:
  // what routing says of the tensor, or claim_of says of one that was never routed.
  Route route{};
  double schedule = 1;    // multiplies the learning rate
  std::int64_t step = 0;  // of the optimizer, from 0: momentum warmup counts by it
  double clip = 1;        // what clipping multiplies the raw gradient by, before the rule
  std::optional<double> clip_norm{};  // what it clips to; only names a fault
  std::int64_t micro_batches = 1;     // gradients that the step is to be the mean of
};

// A claim on a tensor of this name and shape under a rule with options as `replay` takes them (the
// rule's own, lr, weight_decay, decay, adjust_lr, layout, transforms). Throws ConfigError.
StepClaim claim_of(const std::string& tensor, const Shape& shape, const std::string& rule,
                   const std::string& options, Role role = Role::hidden);

struct StepEvidence {
  Tensor before{}, after{};         // weights, float32 or float64, of one shape
  std::vector<Tensor> gradients{};  // raw: one for each micro-batch, in order
  // FIELD -> tensor, `step` (the number of steps taken) among them, as Optimizer::state_of gives
  // it. `state_after` may be empty: then only the weights are judged.
  TensorMap state_before{}, state_after{};
};

}  // namespace muonflow::optim
