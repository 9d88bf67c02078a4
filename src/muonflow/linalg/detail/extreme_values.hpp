// Cheap estimates of the largest and the smallest singular value, and the factorizations that they
// and the reduction to a square matrix rest on.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg::detail {

// The QR factorization of the transpose of a wide w [r, n]: w = R^T Q^T. By LAPACK, on one thread.
template <class T>
struct Triangle {
  MatrixMap<T> factored;  // [r, n] by rows, LAPACK's [n, r]: R^T on and below the diagonal
  std::span<T> tau;

  int rows() const { return static_cast<int>(factored.rows()); }
  int cols() const { return static_cast<int>(factored.cols()); }

  // Q^T [k, n] of the first k reflectors, in the place of the factors; about 4 n r k flops.
  MatrixMap<T> form_q(int k, Scratch& scratch);
};

// 2 n r^2 - 2 r^3 / 3 flops; the factors live in `frame`.
template <class T>
Triangle<T> triangle(const ConstMatrixRef<T>& w, Scratch& scratch, Scratch::Frame& frame);

// With pivoting, so that the diagonal of R falls: column j of R is row pivots[j] - 1 of w.
template <class T>
Triangle<T> pivoted_triangle(const ConstMatrixRef<T>& w, std::span<int> pivots, Scratch& scratch,
                             Scratch::Frame& frame);

// Estimates by eight steps of the power method on x x^T, and of inverse iteration. From a start
// with more than 1e-6 of its average share in the sought direction they are within a factor 2:
// (1e-6 / n)^(1 / 32) > 1 / 2 for n < 1e3, and hardly less beyond. Deterministic.
//
// The largest singular value, from below. 32 r n flops.
template <class T>
double largest_from_below(const ConstMatrixRef<T>& x, Scratch& scratch);

// The smallest one, from above; 0 where the matrix is singular to the dtype. 16 r^2 flops.
template <class T>
double smallest_from_above(const Triangle<T>& qr, Scratch& scratch);
// The same for a square matrix, by LU with partial pivoting: half the work of QR, 2 n^3 / 3 flops.
template <class T>
double smallest_from_above(const ConstMatrixRef<T>& square, Scratch& scratch);

// No singular value is larger: the Frobenius norm or sqrt(||x||_1 ||x||_inf).
template <class T>
double norm_bound(const ConstMatrixRef<T>& x);

}  // namespace muonflow::linalg::detail
