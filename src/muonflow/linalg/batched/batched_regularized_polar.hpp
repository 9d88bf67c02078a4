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
  automatic,  // partial fractions where they are accurate, otherwise rotations
  rotations,  // Jacobi's, for every matrix
};

// epsilon is absolute, and one for all matrices unless `epsilons` has one for each.
struct BatchedRegularizedPolar {
  double epsilon = 0;
  std::span<const double> epsilons = {};
  // Relative, of a float result; kept within 1e-7 and 1e-1. At epsilon = 1e-2 ||M||_F a tenth of it
  // takes twice the time.
  double error = 5e-6;
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
// With A = M M^T + epsilon^2 I, r = min(rows, cols), N = max(rows, cols): M = U B V^T by
// reflectors, B bidiagonal; then S = c (B + sum_j w_j (B B^T + epsilon^2 + t_j)^-1 B) with the
// poles t_j and weights of the best such approximation of A^(-1/2) on [q, 1] ||A||_F, q = epsilon^2
// / ||A||_F (partial_fractions.hpp), in sums of positive numbers, 3 r^2 operations a pole; then U S
// V^T. No Gram matrix is formed and nothing cancels: the result is that of M + E, ||E||_F some u
// ||M||_F, to within the fractions' error and some 8 u. 10 r^3 / 3 multiply-adds for square
// matrices beside the poles.
//
// Float: what E makes of the result is estimated, u ||M||_F^2 tr A^(-1/2) / (r <M, X>) (it is 0.3
// to 2 times that on average, 15 times at most). Where this is more than half of `error`, M is
// reduced in double, for half as much time again, and E is zero. Double: 4e-15 for `error`, and E
// times the condition of the map.
//
// Where q < 2^-40 (double 2^-20), the matrix goes through rotations, exact to some roundoffs of T
// (double: times the condition of the map); epsilon > 2^20 max |M_ij| (double 2^40) gives M /
// epsilon. Potential and pairing are sums of positive terms beside the result; their relative
// errors are small multiples of its own.
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
