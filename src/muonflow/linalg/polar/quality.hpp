// How good a computed polar factor is, estimated beside the computation for a few percent of its
// cost: for logs and guards that run all the time. polar/report.hpp measures the same exactly, by
// SVD.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Estimates from k = 2 random sign vectors v, for wide X and Q [m, n]: E = X X^T -
// I and H = (Q X^T + X Q^T) / 2 are applied to them, never formed. E |E v|^2 = |E|_F^2, with a
// relative deviation of about 1 / sqrt(k) at worst.
struct PolarQuality {
  double orthogonality_error = 0;   // ||E||_F / sqrt(m)
  double worst_singular_value = 1;  // of X, the farthest from 1 that the probes saw
  double residual = 0;              // ||Q - H X||_F / ||Q||_F
  double asymmetry = 0;             // ||Q X^T - X Q^T||_F / (2 ||Q||_F)
  // Smallest Ritz value of H over the mean of its eigenvalues: a negative one proves that X is not
  // the polar factor of Q.
  double definiteness = 0;
  double dual_gap = 0;  // 1 - <Q, X> / ||Q||_*, with ||Q||_* = tr H (I + E)^(-1/2) to second order
  double pairing = 0;   // <Q, X>, to the rounding of its sum
  IterationReport iteration{};
};

// Q the input, X what a method made of it, both [m, n]. Four passes over X and two
// over Q, 36 m n flops.
// The vectors are the same for every call. Not finite entries give NaN.
template <class T>
PolarQuality polar_quality(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x,
                           Scratch& scratch);

// polar() and its quality; the input is kept aside meanwhile.
template <class T>
Outcome polar_with_quality(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace,
                           PolarQuality& quality);

}  // namespace muonflow::linalg
