// The regularized polar map of many tiny matrices at once, M (M^T M + epsilon^2 I)^(-1/2), 16
// matrices to a vector: the gradient of the smoothed nuclear norm and the velocity of the
// regularized Muon flow (arXiv:2605.23871), with the norm's value and the pairing for the ledger.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg {

enum class BatchedKernel {
  automatic,  // float: partial fractions where they are accurate, otherwise rotations
  rotations,  // Jacobi's, for every matrix
};

// epsilon is absolute, and one for all matrices unless `epsilons` has one for each.
struct BatchedRegularizedPolar {
  double epsilon = 0;
  std::span<const double> epsilons = {};
  // What the partial fractions may miss on a singular value of the result (float; kept within 1e-8
  // and 1e-1). A pole, a tenth of the time, is worth a factor of 6 at epsilon = 1e-2 ||M||_F.
  double error = 2e-6;
  BatchedKernel kernel = BatchedKernel::automatic;
};

// Where to put, for each matrix, sum of sqrt(s^2 + epsilon^2) - epsilon over its min(rows, cols)
// singular values, and <M, result>; empty: not wanted. NaN for matrices in trouble.
struct SmoothedNorms {
  std::span<double> potential = {};
  std::span<double> pairing = {};
};

// In place; at most kMaxBatchedRows x kMaxBatchedCols, otherwise ShapeError. The second form takes
// x [count, rows, cols] and converts 16 matrices at a time. Throws ConfigError for a negative, NaN
// or infinite epsilon, ShapeError for spans of another size.
//
// Float, with A = M M^T + epsilon^2 I, r = min(rows, cols), N = max(rows, cols), all in double:
//   r <= 3: A^(-1/2) in closed form, relative error 3e-7.
//   r >= 4: c (M + sum_j w_j (A + t_j I)^-1 M) with the poles t_j and weights of the best such
//     approximation on [q, 1] ||A||_F, q = epsilon^2 / ||A||_F (inverse_root.hpp), as many as
//     `error` asks for; relative error `error` + 3e-7. For Gaussian 16 x 16 and epsilon = 1e-2
//     ||M||_F that is 8 poles. Multiply-adds in double: r^2 N / 2 + r^3 / 2 a pole + r^2 N, half of
//     what 6 minimax quintic steps on the pair (Y, Z) take when a double counts for two floats, and
//     without their loss of u / epsilon.
// Where q < 2^-26 (2^-16 for r = 3), and for epsilon beyond 1e+-60, that matrix goes through
// rotations, exact to some roundoffs of float. Potential and pairing come from the traces of the
// inverses, to a small multiple of the same relative error.
//
// Double: Jacobi rotations; error about u max(1, s_max / epsilon), the condition of the map.
//
// Trouble concerns one matrix and is counted: entries that are not finite (non_finite_input), that
// matrix left as it was. The bits of a result depend neither on the neighbours in the batch (each
// lane has its own poles) nor on the number of threads. Any scale; zero gives zero; epsilon = 0
// gives the polar factor on the numerical support.
template <class T>
BatchOutcome batched_regularized_polar(InterleavedBatch<T>& batch,
                                       const BatchedRegularizedPolar& options,
                                       const SmoothedNorms& norms = {});
template <class T>
BatchOutcome batched_regularized_polar(T* x, Index count, Index rows, Index cols,
                                       const BatchedRegularizedPolar& options,
                                       const SmoothedNorms& norms = {});

// By any composition for the polar factor, on the pair (Y, Z) with G = Y Y^T + Z^2 (Z starts as
// epsilon I), that is on [M, epsilon I] / its norm, whose singular values are at least epsilon /
// sqrt(||M||_F^2 + r epsilon^2): as exact as the composition is there, and u / (relative epsilon).
template <class T>
BatchOutcome batched_regularized_polar_by(InterleavedBatch<T>& batch,
                                          const BatchedRegularizedPolar& options,
                                          std::span<const OddPolynomial> steps);

}  // namespace muonflow::linalg
