// One head of a [B*T, ...] matrix as padded blocks that lie together, and back.
//
// Blocks are padded with zeros, so that products on them need no masks: a zero query, key or
// gradient adds nothing.
#if defined(MUONFLOW_NN_DETAIL_HEAD_PACKING_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_NN_DETAIL_HEAD_PACKING_INL_HPP
#undef MUONFLOW_NN_DETAIL_HEAD_PACKING_INL_HPP
#else
#define MUONFLOW_NN_DETAIL_HEAD_PACKING_INL_HPP
#endif

#include <algorithm>

#include "muonflow/nn/detail/attention_head.hpp"
#include "muonflow/nn/detail/block_product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {

HWY_INLINE Index round_up(Index value, Index multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Sizes of one head's padded blocks.
struct Plan {
  Plan(Index time_, Index size_)
      : time(time_),
        size(size_),
        width(round_up(size_, kColumnPad)),
        rows(round_up(time_, kBlock)) {}
  Index time, size;
  Index width;  // columns of a packed row
  Index rows;   // packed rows of the whole head
};

// Scratch is handed out front to back.
template <class T>
struct Arena {
  T* next;
  T* take(Index count) {
    T* const here = next;
    next += count;
    return here;
  }
};

// A head's rows lie far apart, too far for the processor to see the pattern by itself.
template <class T>
HWY_INLINE void prefetch_row(const Plan& plan, Columns<const T> from, Index row) {
  if (row >= plan.time) return;
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  for (Index j = 0; j < plan.size; j += kLine) hwy::Prefetch(from.at(row) + j);
}

// to [rows, width] <- scale * from rows [first, first + rows), zeros beyond the head and the time.
template <class T>
HWY_INLINE void pack_rows(const Plan& plan, Columns<const T> from, Index first, Index rows, T scale,
                          T* to) {
  const auto factor = hn::Set(Tag<T>(), scale);
  for (Index i = 0; i < rows; ++i) {
    const Index size = first + i < plan.time ? plan.size : 0;
    const T* const row = from.data + (size ? (first + i) * from.row : 0);
    T* const out = to + i * plan.width;
    prefetch_row(plan, from, first + i + 8);
    Index j = 0;
    for (; j < size; j += lanes<T>()) {
      hn::StoreU(hn::Mul(load<T>(row + j, size - j), factor), Tag<T>(), out + j);
    }
    for (; j < plan.width; j += lanes<T>()) hn::StoreU(hn::Zero(Tag<T>()), Tag<T>(), out + j);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Four rows of four floats, transposed.
HWY_INLINE void transpose_4x4(const float* from, Index from_row, float* to, Index to_row) {
  const hn::CappedTag<float, 4> d;
  const auto a = hn::LoadU(d, from);
  const auto b = hn::LoadU(d, from + from_row);
  const auto c = hn::LoadU(d, from + 2 * from_row);
  const auto e = hn::LoadU(d, from + 3 * from_row);
  const auto ac_low = hn::InterleaveLower(d, a, c);
  const auto be_low = hn::InterleaveLower(d, b, e);
  const auto ac_high = hn::InterleaveUpper(d, a, c);
  const auto be_high = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, to);
  hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, to + to_row);
  hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, to + 2 * to_row);
  hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, to + 3 * to_row);
}
#endif

template <class T>
HWY_INLINE void transpose_4x4(const T* from, Index from_row, T* to, Index to_row) {
  for (Index i = 0; i < 4; ++i) {
    for (Index j = 0; j < 4; ++j) to[j * to_row + i] = from[i * from_row + j];
  }
}

// to [width, kBlock] <- the transpose of packed [rows, width], rows a multiple of kRowPad; zeros in
// the further columns up to `cols`.
template <class T>
HWY_INLINE void transpose_packed(const Plan& plan, const T* packed, Index rows, Index cols, T* to) {
  for (Index j = 0; j < plan.width; j += 4) {
    for (Index i = 0; i < rows; i += 4) {
      transpose_4x4(packed + i * plan.width + j, plan.width, to + j * kBlock + i, kBlock);
    }
    if (rows == cols) continue;
    for (Index l = j; l < j + 4; ++l) {
      std::fill(to + l * kBlock + rows, to + l * kBlock + cols, T(0));
    }
  }
}

// Rows of the packed block back to [time, size].
template <class T>
HWY_INLINE void unpack_rows(const Plan& plan, const T* packed, Index first, Index rows, T scale,
                            Columns<T> to) {
  const auto factor = hn::Set(Tag<T>(), scale);
  for (Index i = 0; i < rows; ++i) {
    T* const row = to.at(first + i);
    for (Index j = 0; j < plan.size; j += lanes<T>()) {
      const auto value = hn::Mul(hn::LoadU(Tag<T>(), packed + i * plan.width + j), factor);
      store<T>(value, row + j, plan.size - j);
    }
  }
}

}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
