// Small matrix products on padded blocks that stay in the first-level cache, as attention needs
// them: c (+)= op(a) b with the elements of a broadcast and the rows of b and c in vectors.
//
// Why not linalg::gemm: a product here is 64 x 64 x hd, whose few microseconds a library call would
// double, and those on the causal diagonal are half empty. Attention as a whole, packing and exp
// included, reaches 58 (hd = 32) to 76 GF/s (hd = 64, backward) a core of Zen 4 in float.
#if defined(MUONFLOW_NN_DETAIL_BLOCK_PRODUCT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_NN_DETAIL_BLOCK_PRODUCT_INL_HPP
#undef MUONFLOW_NN_DETAIL_BLOCK_PRODUCT_INL_HPP
#else
#define MUONFLOW_NN_DETAIL_BLOCK_PRODUCT_INL_HPP
#endif

#include "muonflow/nn/detail/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {

inline constexpr Index kBlock = 64;      // rows of queries or keys in a block
inline constexpr Index kRowPad = 8;      // block rows are padded with zeros to a multiple of this
inline constexpr Index kColumnPad = 16;  // and columns to this: one AVX-512 vector of float

// a as the kernel reads it: element (i, l) at data[i * row + l * col].
template <class T>
struct Broadcast {
  const T* data;
  Index row, col;
};

// kRows rows and kVectors vectors of c, summed over l in [0, depth).
template <int kRows, int kVectors, class T>
HWY_INLINE void block_tile(Broadcast<T> a, Index depth, const T* b, Index b_row, T* c, Index c_row,
                           bool accumulate) {
  const Tag<T> d;
  const Index n = lanes<T>();
  Vec<T> sum[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      sum[i][v] = accumulate ? hn::LoadU(d, c + i * c_row + v * n) : hn::Zero(d);
    }
  }
  for (Index l = 0; l < depth; ++l) {
    Vec<T> row[kVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b + l * b_row + v * n);
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      const auto factor = hn::Set(d, a.data[i * a.row + l * a.col]);
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(factor, row[v], sum[i][v]);
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[i][v], d, c + i * c_row + v * n);
  }
}

// What a causal diagonal block leaves out of a product, row i of c by row.
enum class Cut {
  none,
  columns_from_row,  // c is wanted from about column i on; what is left of it is not written
  depth_to_row,      // a is lower triangular: sum up to l = i
  depth_from_row,    // a is upper triangular: sum from l = i on
};

// c [rows, cols] (+)= a [rows, depth] b [depth, cols]; rows a multiple of kRowPad, cols of
// kColumnPad, b_row and c_row the distances between rows. Cuts are as fine as a tile, so entries of
// a beyond the diagonal but within the same kRowPad rows must be zeros.
template <class T>
HWY_INLINE void block_product(Cut cut, Index rows, Index cols, Index depth, Broadcast<T> a,
                              const T* b, Index b_row, T* c, Index c_row, bool accumulate) {
  // As many accumulators as hide the latency of the multiply-add and still fit the registers: 16 of
  // AVX-512's 32, 8 of the 16 elsewhere.
  constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
  static_assert(kRowPad % kRows == 0);
  const Index n = lanes<T>();
  for (Index i = 0; i < rows; i += kRows) {
    const Index begin = cut == Cut::depth_from_row ? i : 0;
    const Index end = cut == Cut::depth_to_row ? HWY_MIN(depth, i + kRows) : depth;
    const Broadcast<T> part{a.data + i * a.row + begin * a.col, a.row, a.col};
    const T* const from = b + begin * b_row;
    T* const to = c + i * c_row;
    Index j = cut == Cut::columns_from_row ? i / (2 * n) * (2 * n) : 0;
    for (; j + 2 * n <= cols; j += 2 * n) {
      block_tile<kRows, 2, T>(part, end - begin, from + j, b_row, to + j, c_row, accumulate);
    }
    if (j < cols) {
      block_tile<kRows, 1, T>(part, end - begin, from + j, b_row, to + j, c_row, accumulate);
    }
  }
}

}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
