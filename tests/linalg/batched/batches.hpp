// Batches for the tests of the batched kernels.
#pragma once

#include <hwy/targets.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::reference {

// Shapes m, n in 1..8 and a selection up to the largest, tall ones among them.
inline std::vector<std::pair<Index, Index>> tiny_shapes() {
  std::vector<std::pair<Index, Index>> shapes;
  for (Index m = 1; m <= 8; ++m) {
    for (Index n = 1; n <= 8; ++n) shapes.emplace_back(m, n);
  }
  for (const auto& shape : {std::pair<Index, Index>{9, 16},
                            {16, 16},
                            {17, 13},
                            {1, 64},
                            {64, 2},
                            {31, 32},
                            {32, 32},
                            {64, 32},
                            {30, 61}}) {
    shapes.push_back(shape);
  }
  return shapes;
}

// `count` Gaussian matrices, matrix k scaled by 1 + k.
inline std::vector<Matrix<double>> gaussian_batch(Index count, Index rows, Index cols,
                                                  std::uint64_t seed) {
  std::vector<Matrix<double>> batch;
  for (Index k = 0; k < count; ++k) {
    batch.emplace_back(static_cast<double>(1 + k) *
                       gaussian(rows, cols, seed + static_cast<std::uint64_t>(k)));
  }
  return batch;
}

template <class T>
linalg::InterleavedBatch<T> interleaved(const std::vector<Matrix<double>>& matrices) {
  linalg::InterleavedBatch<T> batch(static_cast<Index>(matrices.size()), matrices.front().rows(),
                                    matrices.front().cols());
  for (Index k = 0; k < batch.count(); ++k) {
    const Matrix<double>& a = matrices[static_cast<std::size_t>(k)];
    for (Index i = 0; i < a.rows(); ++i) {
      for (Index j = 0; j < a.cols(); ++j) batch.at(k, i, j) = static_cast<T>(a(i, j));
    }
  }
  return batch;
}

template <class T>
Matrix<double> matrix_of(const linalg::InterleavedBatch<T>& batch, Index k) {
  Matrix<double> a(batch.rows(), batch.cols());
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) a(i, j) = static_cast<double>(batch.at(k, i, j));
  }
  return a;
}

// Runs body() once for every instruction set of this processor, one at a time.
template <class Body>
void for_each_target(Body&& body) {
  const std::int64_t targets = hwy::SupportedTargets();
  for (std::int64_t left = targets; left != 0; left &= left - 1) {
    hwy::SetSupportedTargetsForTest(left & -left);
    hwy::GetChosenTarget().DeInit();
    body(left & -left);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace muonflow::reference
