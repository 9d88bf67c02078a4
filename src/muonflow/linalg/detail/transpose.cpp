#include "muonflow/linalg/detail/transpose.hpp"

#include <algorithm>
#include <cstring>

#include "muonflow/core/parallel.hpp"

namespace muonflow::linalg::detail {
namespace {

// 128-bit vectors are all that a transposition needs and what every x86-64 has, so the compiler's
// own vector types serve and no dispatch is needed.
typedef float Float4 __attribute__((vector_size(16)));    // NOLINT: `using` takes no attribute here
typedef double Double2 __attribute__((vector_size(16)));  // NOLINT

template <class V, class T>
V load(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class V, class T>
void store(V v, T* to) {
  std::memcpy(to, &v, sizeof v);
}

void transpose_tile(const float* from, Index from_stride, float* to, Index to_stride) {
  const auto r0 = load<Float4>(from);
  const auto r1 = load<Float4>(from + from_stride);
  const auto r2 = load<Float4>(from + 2 * from_stride);
  const auto r3 = load<Float4>(from + 3 * from_stride);
  const Float4 low02 = __builtin_shufflevector(r0, r2, 0, 4, 1, 5);
  const Float4 low13 = __builtin_shufflevector(r1, r3, 0, 4, 1, 5);
  const Float4 high02 = __builtin_shufflevector(r0, r2, 2, 6, 3, 7);
  const Float4 high13 = __builtin_shufflevector(r1, r3, 2, 6, 3, 7);
  store(__builtin_shufflevector(low02, low13, 0, 4, 1, 5), to);
  store(__builtin_shufflevector(low02, low13, 2, 6, 3, 7), to + to_stride);
  store(__builtin_shufflevector(high02, high13, 0, 4, 1, 5), to + 2 * to_stride);
  store(__builtin_shufflevector(high02, high13, 2, 6, 3, 7), to + 3 * to_stride);
}

void transpose_tile(const double* from, Index from_stride, double* to, Index to_stride) {
  for (Index i = 0; i < 4; i += 2) {
    for (Index j = 0; j < 4; j += 2) {
      const auto r0 = load<Double2>(from + i * from_stride + j);
      const auto r1 = load<Double2>(from + (i + 1) * from_stride + j);
      store(__builtin_shufflevector(r0, r1, 0, 2), to + j * to_stride + i);
      store(__builtin_shufflevector(r0, r1, 1, 3), to + (j + 1) * to_stride + i);
    }
  }
}

template <class T>
void block(Index rows, Index cols, const T* from, Index from_stride, T* to, Index to_stride) {
  const Index whole_rows = rows / 4 * 4;
  const Index whole_cols = cols / 4 * 4;
  for (Index j = 0; j < whole_cols; j += 4) {
    for (Index i = 0; i < whole_rows; i += 4) {
      transpose_tile(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    }
  }
  for (Index i = 0; i < rows; ++i) {
    for (Index j = i < whole_rows ? whole_cols : 0; j < cols; ++j) {
      to[j * to_stride + i] = from[i * from_stride + j];
    }
  }
}

}  // namespace

void transpose_block(Index rows, Index cols, const float* from, Index from_stride, float* to,
                     Index to_stride) {
  block<float>(rows, cols, from, from_stride, to, to_stride);
}
void transpose_block(Index rows, Index cols, const double* from, Index from_stride, double* to,
                     Index to_stride) {
  block<double>(rows, cols, from, from_stride, to, to_stride);
}

template <class T>
void transpose(Index rows, Index cols, const T* from, Index from_stride, T* to, Index to_stride) {
  constexpr Index kBlock = 32;
  constexpr Index kWorthAThread = Index{1} << 16;
  const Index blocks = (cols + kBlock - 1) / kBlock;
  const Index per_block = std::max<Index>(1, rows * kBlock);
  // Each piece writes whole rows of the result.
  parallel_for(blocks, std::max<Index>(1, kWorthAThread / per_block), [&](Index begin, Index end) {
    for (Index jb = begin; jb < end; ++jb) {
      const Index j = jb * kBlock;
      for (Index i = 0; i < rows; i += kBlock) {
        block<T>(std::min(kBlock, rows - i), std::min(kBlock, cols - j), from + i * from_stride + j,
                 from_stride, to + j * to_stride + i, to_stride);
      }
    }
  });
}

template void transpose<float>(Index, Index, const float*, Index, float*, Index);
template void transpose<double>(Index, Index, const double*, Index, double*, Index);

}  // namespace muonflow::linalg::detail
