// Hands a batch to kernels that want matrix after matrix without gaps.
#pragma once

#include <algorithm>

#include "muonflow/geometry/potential.hpp"

namespace muonflow::geometry::detail {

// Calls kernel(x, first, count) -> Outcome on contiguous runs [count, rows, cols] that together are
// the batch, in order, until one fails: the batch itself where it has no gaps, otherwise copies of
// 64 matrices that are copied back.
template <class T, class Kernel>
Outcome over_contiguous(const Batch<T>& p, linalg::Workspace<T>& workspace, const Kernel& kernel) {
  const Index size = p.rows * p.cols;
  if (p.stride == size) return kernel(p.data, 0, p.count);
  constexpr Index kRun = 64;
  typename linalg::Workspace<T>::Frame frame(workspace);
  MatrixMap<T> copy = frame.matrix(kRun, size);
  for (Index first = 0; first < p.count; first += kRun) {
    const Index count = std::min(kRun, p.count - first);
    for (Index i = 0; i < count; ++i) {
      std::copy_n(p.data + (first + i) * p.stride, size, copy.row(i).data());
    }
    if (const Outcome o = kernel(copy.data(), first, count); !o.ok()) return o;
    for (Index i = 0; i < count; ++i) {
      std::copy_n(copy.row(i).data(), size, p.data + (first + i) * p.stride);
    }
  }
  return {};
}

}  // namespace muonflow::geometry::detail
