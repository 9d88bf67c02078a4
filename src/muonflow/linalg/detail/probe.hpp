// A matrix applied to a handful of vectors, in one pass over its memory.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// A row-major [rows, cols]; vectors are rows of v and `to`, 1 to 8 of them.
//   down: to [k, cols] <- v [k, rows] A        up: to [k, rows] <- v [k, cols] A^T
// Same bits for any number of threads.
template <class T>
void apply_down(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to);
template <class T>
void apply_up(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to);

// Sum of a_ij b_ij: each row in T, in vectors, the rows in double. Same bits for any number of
// threads.
template <class T>
double entry_dot(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b);

}  // namespace muonflow::linalg::detail
