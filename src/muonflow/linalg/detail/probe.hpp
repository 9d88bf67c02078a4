// A matrix applied to a handful of vectors, in one pass over its memory.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg::detail {

// A row-major [rows, cols]; vectors are rows of v and `to`, 1 to 8 of them.
//   down: to [k, cols] <- v [k, rows] A        up: to [k, rows] <- v [k, cols] A^T
// Same bits for any number of threads.
template <class T>
void apply_down(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to);
template <class T>
void apply_up(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to);

struct EntrySums {
  double squares = 0;   // of a_ij
  double products = 0;  // a_ij b_ij
};

// For a and b of one shape, read once from memory: sums over their entries in double, and av, bv
// [k, n] <- v [k, m] A, v B for wide matrices [m, n], with A^T, B^T in their place for tall ones
// [n, m]. Same bits for any number of threads.
template <class T>
EntrySums first_pass(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, const MatrixMap<T>& v,
                     MatrixMap<T>& av, MatrixMap<T>& bv, Scratch& scratch);

}  // namespace muonflow::linalg::detail
