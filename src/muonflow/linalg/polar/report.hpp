// How good a computed polar factor is: the numbers that `muonflow polar` prints.
#pragma once

#include <optional>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

struct PolarReport {
  double orthogonality_error = 0;  // || X X^T - I ||_F / sqrt(r) on the numerical support of Q
  double residual = 0;             // relative distance to the exact map by SVD in double
  double kernel_error = 0;         // relative distance to the same method in double
  double dual_gap = 0;             // 1 - <Q, X> / ||Q||_*
  double flops = 0;                // of the method, for a rate
  Index rank = 0;                  // numerical rank of Q
};

// Q the input, X what the method made of it, both [m, n]; with `epsilon` the exact map and the same
// method are the regularized polar map, and the dual gap's optimum is the same as without. Works in
// double by SVD; a diagnostic, not a kernel.
template <class T>
PolarReport polar_report(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x,
                         const Polar& options, std::optional<double> epsilon);

// Flops of one call, 2 a multiply-add: products with their symmetric half for the polynomial
// methods, and for svd the conventional 4 r^2 N + 22 r^3.
double polar_flops(Index rows, Index cols, const Polar& options);

}  // namespace muonflow::linalg
