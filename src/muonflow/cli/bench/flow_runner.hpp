// The flow that bench flow steps: `tanh_ridge` with eight features, smoothed nuclear norm, gamma 1,
// integrator `muon`, in float. Momenta begin as the forces and steps are short, so that every step
// does the same work on momenta of full rank; epsilon is a hundredth of their mean norm.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "muonflow/cli/bench/flow.hpp"
#include "muonflow/flow/problem.hpp"

namespace muonflow::cli {

inline constexpr Index kFlowFeatures = 8;
inline constexpr double kFlowStep = 1e-4;

class FlowRunner {
 public:
  // plain: velocities by products of OpenBLAS, one particle after another on every thread.
  FlowRunner(const FlowSize& size, bool plain);

  double time(double least);  // seconds a step
  double epsilon() const { return epsilon_; }
  // W of the particles, then the features A [q, m, n], then the targets y [q]: what a peer needs.
  std::vector<float> input() const;
  // W after `steps` steps from the start.
  std::vector<float> weights_after(int steps);

  double bytes() const;  // of the state and of what steps keep, counted
  double flops() const;  // a particle and step, by the conventional count

 private:
  void rest();  // M = G at the weights as they are, and no forces kept
  void step();

  FlowSize size_;
  double epsilon_ = 1;
  std::unique_ptr<flow::Problem<float>> problem_;
  Matrix<float> start_;
};

}  // namespace muonflow::cli
