// Eigenvalues and eigenvectors of a symmetric matrix, a = vectors diag(values) vectors^T, by
// LAPACK's divide and conquer on one thread.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

template <class T>
struct Eigh {
  Vector<T> values;   // [n], ascending
  Matrix<T> vectors;  // [n, n], columns are the eigenvectors
  Outcome outcome;
};

// Reads the lower triangle of a [n, n]. Scaled by a power of two first. Entries that are not finite
// never reach LAPACK: the outcome is non_finite_input and the factors are zeros of the right size.
// Throws ShapeError for a matrix that is not square.
template <class T>
Eigh<T> eigh(const ConstMatrixRef<T>& a);

// For callers that must not allocate: `a` [n, n] (its lower triangle is read) is overwritten by the
// eigenvectors as its ROWS, values [n] ascending.
template <class T>
Outcome eigh_in_place(MatrixRef<T> a, T* values, Scratch& scratch);

}  // namespace muonflow::linalg
