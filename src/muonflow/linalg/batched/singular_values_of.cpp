#include "muonflow/linalg/batched/singular_values_of.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/batched/detail/blocks.hpp"
#include "muonflow/linalg/batched/detail/jacobi.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Beyond this rotations take as long as LAPACK.
constexpr Index kMostRows = 16;

template <class T>
void by_rotations(const MatrixRun<T>& all, std::span<double> values) {
  struct Copies;
  struct Block;
  struct Rows;
  const Index size = all.rows * all.cols;
  const Index rank = std::min(all.rows, all.cols), longer = std::max(all.rows, all.cols);
  const auto bytes = static_cast<std::size_t>(size * kBlock) * sizeof(T);
  T* const copies = reinterpret_cast<T*>(detail::thread_scratch<Copies>(bytes));
  T* const block = reinterpret_cast<T*>(detail::thread_scratch<Block>(bytes));
  std::byte* const rows = detail::thread_scratch<Rows>(detail::jacobi_scratch<T>(rank, longer));
  for (Index first = 0; first < all.count; first += kBlock) {
    const Index lanes = std::min(kBlock, all.count - first);
    for (Index k = 0; k < lanes; ++k) {
      std::copy_n(all.data + (first + k) * all.stride, size, copies + k * size);
    }
    interleave<T>(copies, lanes, all.rows, all.cols, block);
    alignas(64) std::array<double, kMaxBatchedRows * kBlock> found;
    found.fill(kNaN);
    // Whoever is in trouble keeps the NaN.
    (void)detail::jacobi<T>(block, rank, longer, (1U << kBlock) - 1, detail::JacobiMap::values,
                            {.values = found.data()}, rows);
    for (Index k = 0; k < lanes; ++k) {
      double* const to = values.data() + (first + k) * rank;
      for (Index p = 0; p < rank; ++p) to[p] = found[static_cast<std::size_t>(p * kBlock + k)];
      std::sort(to, to + rank, std::greater<>());
    }
  }
}

template <class T>
void one_by_one(const MatrixRun<T>& all, std::span<double> values, Workspace<T>& workspace) {
  const Index rank = std::min(all.rows, all.cols);
  typename Workspace<T>::Frame frame(workspace);
  const auto s = frame.values(rank);
  for (Index i = 0; i < all.count; ++i) {
    const bool ok = singular_values_into<T>(all[i], s.data(), workspace).ok();
    for (Index k = 0; k < rank; ++k) {
      values[static_cast<std::size_t>(i * rank + k)] =
          ok ? static_cast<double>(s[static_cast<std::size_t>(k)]) : kNaN;
    }
  }
}

}  // namespace

template <class T>
void singular_values_of(const MatrixRun<T>& matrices, std::span<double> values,
                        Workspace<T>& workspace) {
  const Index rank = std::min(matrices.rows, matrices.cols);
  if (static_cast<Index>(values.size()) != matrices.count * rank) {
    throw ShapeError({.what = "singular values of a batch",
                      .expected = std::to_string(matrices.count * rank) + " of them",
                      .found = std::to_string(values.size())});
  }
  if (values.empty()) return;
  if (rank <= kMostRows && std::max(matrices.rows, matrices.cols) <= kMaxBatchedCols) {
    by_rotations(matrices, values);
  } else {
    one_by_one(matrices, values, workspace);
  }
}

template void singular_values_of(const MatrixRun<float>&, std::span<double>, Workspace<float>&);
template void singular_values_of(const MatrixRun<double>&, std::span<double>, Workspace<double>&);

}  // namespace muonflow::linalg
