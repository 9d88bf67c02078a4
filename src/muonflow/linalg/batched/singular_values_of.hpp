// Singular values of many matrices of one shape: sixteen at a time where they are tiny, otherwise
// one by one.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Matrix i is [rows, cols], contiguous, at data + i stride.
template <class T>
struct MatrixRun {
  const T* data = nullptr;
  Index count = 0;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  ConstMatrixMap<T> operator[](Index i) const {
    return {data + i * stride, rows, cols, Eigen::OuterStride<>(cols)};
  }
};

// values [count, min(rows, cols)], each row descending; NaN for a matrix with entries that are not
// finite. On the calling thread. Up to 16 rows (or columns) and 64 the other way by rotations in
// double, each value to its own relative accuracy where the matrix determines it; larger ones by
// SVD in T. What a matrix gets does not depend on its neighbours. Throws ShapeError where the span
// has another size.
template <class T>
void singular_values_of(const MatrixRun<T>& matrices, std::span<double> values,
                        Workspace<T>& workspace);

}  // namespace muonflow::linalg
