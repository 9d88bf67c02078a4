// Thin QR decomposition, a = q r, by LAPACK on one thread.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

template <class T>
struct Qr {
  Matrix<T> q;  // [m, r], r = min(m, n), orthonormal columns
  Matrix<T>
      r;  // [r, n], upper triangular (trapezoidal), diagonal not negative: unique at full rank
  Outcome outcome;
};

// a [m, n], any strides. Entries that are not finite never reach LAPACK: the outcome is
// non_finite_input and the factors are zeros of the right size.
template <class T>
Qr<T> qr(const ConstMatrixRef<T>& a);

// x [m, n], m >= n, <- the q of its decomposition, in place; rows may lie apart. For callers that
// must not allocate. Columns that depend on those before them become orthonormal ones of LAPACK's
// choice; zero gives the first columns of the identity. From 256 columns on by blocks of reflectors
// in our own products, which the threads share. Where the outcome is not ok x is unchanged.
// Throws ShapeError for a wide x.
template <class T>
Outcome orthonormalize(MatrixRef<T> x, Scratch& scratch);

}  // namespace muonflow::linalg
