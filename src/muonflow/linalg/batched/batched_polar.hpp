// Muon's orthogonalization of many tiny matrices at once: a composition of odd polynomials on the
// singular values of each, 16 matrices to a vector.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/polar.hpp"

namespace muonflow::linalg {

// X <- X / (||X||_F guarded by eps), then every step in order.
struct BatchedPolar {
  std::span<const OddPolynomial> steps;
  double eps = 1e-7;
  EpsMode eps_mode = EpsMode::add;
};

// In place, every matrix of the batch; at most kMaxBatchedRows x kMaxBatchedCols, otherwise
// ShapeError. The second form takes x [count, rows, cols] and converts 16 matrices at a time.
//
// Direct iteration, X <- p(X X^T) X with r = min(rows, cols), N = max(rows, cols): r^2 N / 2
// multiply-adds for the Gram matrix, r^3 / 2 for each term beyond the second, r^2 N for the
// product. It has no error of a Gram formulation to restart from; norms are taken of the matrix
// scaled by a power of two, so entries from the smallest denormal to the largest number are divided
// rightly. Zero gives zero.
//
// Trouble concerns one matrix: entries that are not finite (non_finite_input), or a composition
// that diverges on it (non_finite_result). It is counted, left as it was, and disturbs no other:
// the bits of a result do not depend on the neighbours in the batch, nor on the number of threads.
template <class T>
BatchOutcome batched_polar(InterleavedBatch<T>& batch, const BatchedPolar& options);
template <class T>
BatchOutcome batched_polar(T* x, Index count, Index rows, Index cols, const BatchedPolar& options);

}  // namespace muonflow::linalg
