// Gradient accumulation: k micro-batches, one step on the mean of their gradients.
//
//   A <- A + G_i / k,  i = 1..k;  then G <- A and one step
//
// For loops whose backward pass overwrites the gradients; one that adds to them, as
// train::Trainer's does, needs no copy and scales each by 1 / k. The rule sees each micro-batch
// once, its momentum and step count move once a step. Identity: k = 1, which keeps no copy and adds
// nothing.
//
//   Accumulator<float> accumulate(optimizer, 4);
//   for (...) { backward(); if (auto report = accumulate.add(schedule)) ...; }
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct Accumulation {
  static constexpr TransformInfo info{.name = "accumulation",
                                      .summary = "one step on the mean of several gradients",
                                      .keys = "train.accumulation; Accumulator, in C++",
                                      .cite = ""};
};

template <class T>
class Accumulator {
 public:
  // Borrows the optimizer. Throws ConfigError where micro_batches is below 1.
  Accumulator(Optimizer<T>& optimizer, std::int64_t micro_batches);

  // Takes over the gradients as they are, and steps after each `micro_batches` of them; empty where
  // it did not. A parameter without a gradient in a micro-batch counts as one whose gradient is 0
  // there, and misses the step where it had none in all of them.
  std::optional<StepReport> add(double schedule = 1.0);

  // Micro-batches taken over since the last step.
  std::int64_t pending() const { return pending_; }

 private:
  Optimizer<T>& optimizer_;
  std::int64_t micro_batches_;
  std::int64_t pending_ = 0;
  std::vector<Matrix<T>> sums_;  // A, of each parameter
  std::vector<T*> given_;        // gradient buffers of this step; null: none yet
};

extern template class Accumulator<float>;
extern template class Accumulator<double>;

}  // namespace muonflow::optim
