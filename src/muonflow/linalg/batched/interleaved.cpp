#include "muonflow/linalg/batched/interleaved.hpp"

#include <cstring>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/batched/detail/conversion.hpp"

namespace muonflow::linalg {
namespace {

// Elements worth a thread of its own.
constexpr Index kGrain = Index{1} << 15;

}  // namespace

template <class T>
InterleavedBatch<T>::InterleavedBatch(Index count, Index rows, Index cols)
    : count_(count), rows_(rows), cols_(cols) {
  if (count < 0 || rows < 0 || cols < 0) {
    throw ShapeError({.what = "shape of a batch",
                      .expected = "sizes of at least 0",
                      .found = to_string(Shape{count, rows, cols})});
  }
  const auto bytes = static_cast<std::size_t>(blocks() * block_size()) * sizeof(T);
  data_.reset(static_cast<T*>(::operator new (bytes, std::align_val_t{64})));
  std::memset(static_cast<void*>(data_.get()), 0, bytes);
}

template <class T>
void InterleavedBatch<T>::load(const T* matrices) {
  parallel_for(blocks(), std::max<Index>(1, kGrain / std::max<Index>(1, block_size())),
               [&](Index begin, Index end) {
                 for (Index b = begin; b < end; ++b) {
                   interleave<T>(matrices + b * block_size(), lanes(b), rows_, cols_, block(b));
                 }
               });
}

template <class T>
void InterleavedBatch<T>::store(T* matrices) const {
  parallel_for(blocks(), std::max<Index>(1, kGrain / std::max<Index>(1, block_size())),
               [&](Index begin, Index end) {
                 for (Index b = begin; b < end; ++b) {
                   deinterleave<T>(block(b), lanes(b), rows_, cols_, matrices + b * block_size());
                 }
               });
}

template <class T>
void interleave(const T* matrices, Index lanes, Index rows, Index cols, T* block) {
  const Index size = rows * cols;
  const bool tall = rows > cols;
  if (lanes == kBlock && size > 0) return detail::interleave_block(matrices, rows, cols, block);
  std::fill_n(block, size * kBlock, T(0));
  Index at = 0;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j, ++at) {
      T* const to = block + (tall ? j * rows + i : at) * kBlock;
      for (Index k = 0; k < lanes; ++k) to[k] = matrices[k * size + at];
    }
  }
}

template <class T>
void deinterleave(const T* block, Index lanes, Index rows, Index cols, T* matrices) {
  const Index size = rows * cols;
  const bool tall = rows > cols;
  if (lanes == kBlock && size > 0) return detail::deinterleave_block(block, rows, cols, matrices);
  Index at = 0;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j, ++at) {
      const T* const from = block + (tall ? j * rows + i : at) * kBlock;
      for (Index k = 0; k < lanes; ++k) matrices[k * size + at] = from[k];
    }
  }
}

#define MUONFLOW_INSTANTIATE(T)                                   \
  template class InterleavedBatch<T>;                             \
  template void interleave<T>(const T*, Index, Index, Index, T*); \
  template void deinterleave<T>(const T*, Index, Index, Index, T*);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
