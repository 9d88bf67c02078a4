// Asynchronous steps with a delay threshold: gradients that are too old are dropped.
//
//   d = steps that the optimizer has taken since the worker read the weights
//   d < threshold   one step with its gradient
//   otherwise       no step; the worker begins again with the weights of now
//
// Workers of different speed then never wait for each other, and a slow one cannot pull the weights
// back to where they were long ago: staleness costs as much as a momentum of `threshold` steps
// remembers, so a threshold of about 1 / (1 - momentum) is free. Identity: off, every gradient is
// used; with one worker every threshold is.
//
//   DelayThreshold{.threshold = 4} ... DelayedSteps<float> server(optimizer, options);
//   const auto read = server.version();     // with the weights, by a worker that begins
//   ...                                     // its gradient is in the buffers
//   if (!server.add(read)) ...;             // too old; a worker may ask server.takes(read) sooner
//
// References: Ringmaster LMO, arXiv:2605.18174; Ringmaster ASGD, arXiv:2501.16168.
#pragma once

#include <cstdint>
#include <optional>

#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct DelayThreshold {
  static constexpr TransformInfo info{
      .name = "delay_threshold",
      .summary = "asynchronous steps without gradients that are too old",
      .keys = "DelayedSteps, in C++: a training run computes its gradients in turn",
      .cite = "arXiv:2605.18174, arXiv:2501.16168"};

  std::optional<std::int64_t> threshold{};  // off: any age

  void fields(FieldVisitor& v);
};

template <class T>
class DelayedSteps {
 public:
  // Borrows the optimizer. Throws ConfigError where the threshold is below 1.
  DelayedSteps(Optimizer<T>& optimizer, const DelayThreshold& options);

  // Names the weights of now: what a worker keeps beside the gradient that it computes from them.
  std::int64_t version() const { return optimizer_.steps(); }
  // Whether a gradient of those weights would be used. Throws ConfigError for a version that has
  // not been.
  bool takes(std::int64_t version) const;
  // One step with the gradients as they are in the optimizer's buffers; empty where they are too
  // old, which leaves weights and state alone. Throws as takes() and Optimizer::step do.
  std::optional<StepReport> add(std::int64_t version, double schedule = 1.0);

  std::int64_t dropped() const { return dropped_; }  // gradients that were too old

 private:
  Optimizer<T>& optimizer_;
  DelayThreshold options_;
  std::int64_t dropped_ = 0;
};

extern template class DelayedSteps<float>;
extern template class DelayedSteps<double>;

}  // namespace muonflow::optim
