#include "muonflow/linalg/batched/batched_jacobi.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string>

#include "muonflow/linalg/batched/detail/blocks.hpp"
#include "muonflow/linalg/batched/detail/jacobi.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
BatchOutcome exact_polar(const detail::BlockSource<T>& source) {
  const Index rows = source.short_side();
  const Index cols = source.long_side();
  const std::size_t bytes = detail::jacobi_scratch<T>(rows, cols);
  return detail::over_blocks<T>(source, [&](T* block, Index, Index) {
    struct Rows;
    const detail::JacobiResult result =
        detail::jacobi<T>(block, rows, cols, detail::kWholeBlock, detail::JacobiMap::polar, {},
                          detail::thread_scratch<Rows>(bytes));
    return detail::BlockTrouble{.non_finite = result.non_finite,
                                .not_converged = result.not_converged};
  });
}

}  // namespace

template <class T>
BatchOutcome batched_exact_polar(InterleavedBatch<T>& batch) {
  return exact_polar<T>(detail::BlockSource<T>(batch));
}
template <class T>
BatchOutcome batched_exact_polar(T* x, Index count, Index rows, Index cols) {
  return exact_polar<T>(detail::BlockSource<T>(x, count, rows, cols));
}

template <class T>
BatchOutcome batched_singular_values(const InterleavedBatch<T>& batch, std::span<double> values) {
  const Index rows = batch.short_side();
  const Index cols = batch.long_side();
  if (static_cast<Index>(values.size()) != batch.count() * rows) {
    throw ShapeError({.what = "singular values of a batch",
                      .expected = std::to_string(batch.count() * rows) + " of them",
                      .found = std::to_string(values.size())});
  }
  // The loop over blocks takes what it may write to; this kernel does not.
  const detail::BlockSource<T> source(const_cast<InterleavedBatch<T>&>(batch));
  const std::size_t bytes = detail::jacobi_scratch<T>(rows, cols);
  return detail::over_blocks<T>(source, [&](T* block, Index first, Index lanes) {
    struct Rows;
    alignas(64) std::array<double, kMaxBatchedRows * kBlock> found;
    found.fill(std::numeric_limits<double>::quiet_NaN());
    const detail::JacobiResult result =
        detail::jacobi<T>(block, rows, cols, detail::kWholeBlock, detail::JacobiMap::values,
                          {.values = found.data()}, detail::thread_scratch<Rows>(bytes));
    for (Index k = 0; k < lanes; ++k) {
      double* const to = values.data() + (first + k) * rows;
      for (Index p = 0; p < rows; ++p) to[p] = found[static_cast<std::size_t>(p * kBlock + k)];
      std::sort(to, to + rows, std::greater<>());
    }
    return detail::BlockTrouble{.non_finite = result.non_finite,
                                .not_converged = result.not_converged};
  });
}

#define MUONFLOW_INSTANTIATE(T)                                          \
  template BatchOutcome batched_exact_polar<T>(InterleavedBatch<T>&);    \
  template BatchOutcome batched_exact_polar<T>(T*, Index, Index, Index); \
  template BatchOutcome batched_singular_values<T>(const InterleavedBatch<T>&, std::span<double>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
