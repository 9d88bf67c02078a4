// Thin QR decomposition, a = q r, by LAPACK on one thread.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"

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

}  // namespace muonflow::linalg
