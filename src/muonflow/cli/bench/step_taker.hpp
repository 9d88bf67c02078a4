// Steps of one rule on a list of tensors, and what they are measured against.
//
// Gradients come from a pool of normal numbers: step t sees the pool from kStepShift (t mod
// kStepDraws) on, so that steps differ and none waits for new numbers. A peer
// (bench/peers/steps.py) does the same and answers the lines of remote_peer.hpp, here
//
//   load SHAPES MATRICES SHIFT FILE  "ok"; SHAPES as StepShapes::text(), the first MATRICES of them
//                                    the matrix rules'; FILE holds the pool
//   start METHOD FILE    "ok"; begins anew and takes kStartSteps steps; FILE gets the weights
//   time METHOD SECONDS  seconds a step, over as many whole cycles as make SECONDS
//   state METHOD         bytes
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/cli/bench/step_shapes.hpp"
#include "muonflow/nn/buffer.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::cli {

inline constexpr Index kStepShift = 65584;  // elements, whole cache lines
inline constexpr int kStepDraws = 8;
inline constexpr int kStartSteps = 3;  // that are not timed: some rules begin by factoring

// The gradients of every step and the first weights.
class StepPool {
 public:
  explicit StepPool(const StepShapes& shapes);

  const StepShapes& shapes() const { return shapes_; }
  // Where tensor i begins, in elements: on a cache line.
  Index offset(std::size_t i) const { return offsets_[i]; }
  Index size() const { return size_; }  // of all tensors, padding included
  const float* gradients(std::int64_t step) const {
    return values_.data() + step % kStepDraws * kStepShift;
  }
  const float* weights() const { return values_.data() + kStepDraws * kStepShift; }
  std::span<const float> values() const {
    return {values_.data(), static_cast<std::size_t>(size_ + kStepDraws * kStepShift)};
  }

 private:
  const StepShapes& shapes_;
  std::vector<Index> offsets_;
  Index size_ = 0;
  nn::Buffer<float> values_;
};

// Our rule: hidden matrices by it and the rest by AdamW, or everything where it takes everything.
class StepTaker {
 public:
  // Takes the first kStartSteps steps. Throws ConfigError: no such rule.
  StepTaker(const std::string& rule, const StepPool& pool);

  // Seconds a step, over as many whole cycles as make `least`; off: a step went wrong.
  std::optional<double> time(double least);
  const std::string& trouble() const { return trouble_; }  // why it did

  const std::string& preset() const { return preset_; }  // "muon+adamw"
  int cycle() const { return cycle_; }  // steps of which one is not like the others
  bool elementwise() const { return elementwise_; }
  std::size_t state_bytes() const { return optimizer_->state_bytes(); }
  // All tensors, one after the other without padding.
  std::vector<float> weights() const;

 private:
  double step();  // seconds

  const StepPool& pool_;
  std::string preset_;
  int cycle_ = 1;
  bool elementwise_ = false;
  nn::Buffer<float> weights_;
  std::optional<optim::Optimizer<float>> optimizer_;
  std::string trouble_;
};

// ||computed - expected|| / ||expected - start||: how far two rules moved apart.
double relative_difference(const std::vector<float>& computed, const std::vector<float>& expected,
                           const StepPool& pool);

// Moves as many bytes as a step of an elementwise rule must (weights, gradient and state read, all
// but the gradient written) by copying, within as much memory: what the memory allows.
class CopyFloor {
 public:
  CopyFloor(Index parameters, std::size_t state_bytes);

  double bytes() const;       // read and written
  double time(double least);  // seconds

 private:
  Index moved_;  // floats that are read or written
  nn::Buffer<float> from_, to_;
};

}  // namespace muonflow::cli
