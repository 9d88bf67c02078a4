// Transposition in registers, of squares of vectors. Compiled once per instruction set.
#if defined(MUONFLOW_LINALG_DETAIL_TURN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_DETAIL_TURN_INL_HPP
#undef MUONFLOW_LINALG_DETAIL_TURN_INL_HPP
#else
#define MUONFLOW_LINALG_DETAIL_TURN_INL_HPP
#endif

#include <hwy/highway.h>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/detail/transpose.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Transposes a square of `lanes` rows of `from` into `to`. `scale` multiplies.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_square(D d, const T* from, Index from_stride, T scale, T* to,
                                 Index to_stride) {
  const auto factor = hn::Set(d, scale);
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  if constexpr (sizeof(T) == sizeof(float)) {
    const hn::RepartitionToWide<D> wide;
    const auto pairs = [&](auto low, auto high, bool upper) HWY_ATTR {
      const auto a = hn::BitCast(wide, low);
      const auto b = hn::BitCast(wide, high);
      return hn::BitCast(d,
                         upper ? hn::InterleaveUpper(wide, a, b) : hn::InterleaveLower(wide, a, b));
    };
    using V = decltype(hn::Zero(d));
    V block[4][4];  // [column within a block of four][group of four rows]
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      const T* const at = from + 4 * g * from_stride;
      const V r0 = hn::Mul(factor, hn::LoadU(d, at));
      const V r1 = hn::Mul(factor, hn::LoadU(d, at + from_stride));
      const V r2 = hn::Mul(factor, hn::LoadU(d, at + 2 * from_stride));
      const V r3 = hn::Mul(factor, hn::LoadU(d, at + 3 * from_stride));
      const V low01 = hn::InterleaveLower(d, r0, r1);
      const V high01 = hn::InterleaveUpper(d, r0, r1);
      const V low23 = hn::InterleaveLower(d, r2, r3);
      const V high23 = hn::InterleaveUpper(d, r2, r3);
      block[0][g] = pairs(low01, low23, false);
      block[1][g] = pairs(low01, low23, true);
      block[2][g] = pairs(high01, high23, false);
      block[3][g] = pairs(high01, high23, true);
    }
    // Each is four blocks of four now; blocks are transposed among the groups.
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const V* const r = block[c];
      const V even01 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(r[1]), r[0]);
      const V odd01 = hn::OddEvenBlocks(r[1], hn::SwapAdjacentBlocks(r[0]));
      const V even23 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(r[3]), r[2]);
      const V odd23 = hn::OddEvenBlocks(r[3], hn::SwapAdjacentBlocks(r[2]));
      hn::StoreU(hn::ConcatLowerLower(d, even23, even01), d, to + c * to_stride);
      hn::StoreU(hn::ConcatLowerLower(d, odd23, odd01), d, to + (4 + c) * to_stride);
      hn::StoreU(hn::ConcatUpperUpper(d, even23, even01), d, to + (8 + c) * to_stride);
      hn::StoreU(hn::ConcatUpperUpper(d, odd23, odd01), d, to + (12 + c) * to_stride);
    }
    return;
  }
#endif
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  transpose_block(lanes, lanes, from, from_stride, to, to_stride);
  if (scale == T(1)) return;
  for (Index i = 0; i < lanes; ++i) {
    T* const row = to + i * to_stride;
    hn::StoreU(hn::Mul(factor, hn::LoadU(d, row)), d, row);
  }
}

// The same of any block, without a scale.
template <class D, class T = hn::TFromD<D>>
void transpose_any(D d, Index rows, Index cols, const T* from, Index from_stride, T* to,
                   Index to_stride) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index whole_rows = rows / lanes * lanes;
  const Index whole_cols = cols / lanes * lanes;
  for (Index j = 0; j < whole_cols; j += lanes) {
    for (Index i = 0; i < whole_rows; i += lanes) {
      transpose_square(d, from + i * from_stride + j, from_stride, T(1), to + j * to_stride + i,
                       to_stride);
    }
  }
  if (whole_cols < cols) {
    transpose_block(whole_rows, cols - whole_cols, from + whole_cols, from_stride,
                    to + whole_cols * to_stride, to_stride);
  }
  if (whole_rows < rows) {
    transpose_block(rows - whole_rows, cols, from + whole_rows * from_stride, from_stride,
                    to + whole_rows, to_stride);
  }
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
