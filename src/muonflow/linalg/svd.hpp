// Singular value decomposition, a = u diag(s) vt, by LAPACK's divide and conquer on one thread.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

template <class T>
struct Svd {
  Matrix<T> u;   // [m, r], r = min(m, n), orthonormal columns
  Vector<T> s;   // [r], descending, not negative
  Matrix<T> vt;  // [r, n], orthonormal rows
  Outcome outcome;
};

// a [m, n], any strides, left unchanged. The input is scaled by a power of two first, so tiny and
// huge entries do no harm. Where divide and conquer does not converge, the QR iteration is tried;
// where that fails too the outcome is not_converged. Entries that are not finite never reach
// LAPACK: the outcome is non_finite_input and the factors are zeros of the right size.
template <class T>
Svd<T> svd(const ConstMatrixRef<T>& a);

// The same values without the vectors; NaN where an entry is not finite or nothing converged.
template <class T>
Vector<T> singular_values(const ConstMatrixRef<T>& a);

// For callers that must not allocate: u [m, r], s [r], vt [r, n] are contiguous and written here.
template <class T>
Outcome svd_into(const ConstMatrixRef<T>& a, T* u, T* s, T* vt, Scratch& scratch);
template <class T>
Outcome singular_values_into(const ConstMatrixRef<T>& a, T* s, Scratch& scratch);

}  // namespace muonflow::linalg
