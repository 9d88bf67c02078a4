// Momentum as most rules have it: a running average or sum of gradients, and what a step sees of
// it.
//
//   M <- momentum M + part G,  then  D <- part G + momentum M  if nesterov, else M
//
// part = 1 - momentum makes M an average, part = 1 a sum; nesterov looks one step ahead. M, G and D
// are of one shape; D overlaps neither of the others. Each product and each sum is rounded to T
// once.
//
// References: Y. Nesterov 1983; I. Sutskever et al., "On the importance of initialization and
// momentum in deep learning", ICML 2013.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/elementwise/moments.hpp"

namespace muonflow::optim {

struct MomentumStep {
  double momentum;
  double part;
  bool nesterov = false;

  static MomentumStep average(double momentum, bool nesterov = false) {
    return {momentum, 1 - momentum, nesterov};
  }
  static MomentumStep sum(double momentum, bool nesterov = false) {
    return {momentum, 1, nesterov};
  }

  template <class T>
  void apply(const ConstMatrixRef<T>& G, Matrix<T>& M, MatrixRef<T> D) const {
    linalg::momentum_step<T>({.kept = momentum, .added = part, .nesterov = nesterov}, G, M, D);
  }
};

}  // namespace muonflow::optim
