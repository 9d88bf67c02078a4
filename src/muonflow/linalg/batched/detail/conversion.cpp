#include "muonflow/linalg/batched/detail/conversion.hpp"

#include <algorithm>

#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/batched/detail/conversion.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Where the entries of the matrices stand in the block, one after another; a tall shape is held
// transposed.
template <bool kTall>
class Place {
 public:
  HWY_INLINE Place(Index rows, Index cols, Index e) : rows_(rows), cols_(cols) {
    if constexpr (kTall) {
      i_ = e / cols;
      j_ = e % cols;
      at_ = (j_ * rows + i_) * kBlock;
    } else {
      at_ = e * kBlock;
    }
  }
  HWY_INLINE Index next() {
    const Index now = at_;
    if constexpr (!kTall) {
      at_ += kBlock;
    } else if (++j_ == cols_) {
      j_ = 0;
      at_ = ++i_ * kBlock;
    } else {
      at_ += rows_ * kBlock;
    }
    return now;
  }

 private:
  Index rows_, cols_;
  Index i_ = 0;
  Index j_ = 0;
  Index at_ = 0;
};

#if HWY_TARGET != HWY_SCALAR

// Vectors of kGroup matrices, made of 128-bit pieces that each hold kPiece entries of one matrix or
// one entry of kPiece matrices.
template <class T>
using Tag = hn::CappedTag<T, kBlock>;
template <class T>
using Piece = hn::Full128<T>;
template <class T>
using Vector = hn::Vec<Tag<T>>;
template <class T>
constexpr Index kPiece = static_cast<Index>(16 / sizeof(T));
template <class T>
constexpr Index kGroup = static_cast<Index>(hn::MaxLanes(Tag<T>()));

// Pieces from every `stride`.
template <class T>
HWY_INLINE Vector<T> load_pieces(const T* from, Index stride) {
  const Tag<T> d;
  const Piece<T> p;
  if constexpr (kGroup<T> == kPiece<T>) {
    return hn::LoadU(d, from);
  } else if constexpr (kGroup<T> == 2 * kPiece<T>) {
    return hn::Combine(d, hn::LoadU(p, from + stride), hn::LoadU(p, from));
  } else {
    const hn::Half<Tag<T>> half;
    return hn::Combine(
        d, hn::Combine(half, hn::LoadU(p, from + 3 * stride), hn::LoadU(p, from + 2 * stride)),
        hn::Combine(half, hn::LoadU(p, from + stride), hn::LoadU(p, from)));
  }
}

template <class T>
HWY_INLINE void store_pieces(Vector<T> v, T* to, Index stride) {
  const Tag<T> d;
  const Piece<T> p;
  if constexpr (kGroup<T> == kPiece<T>) {
    hn::StoreU(v, d, to);
  } else if constexpr (kGroup<T> == 2 * kPiece<T>) {
    hn::StoreU(hn::LowerHalf(p, v), p, to);
    hn::StoreU(hn::UpperHalf(p, v), p, to + stride);
  } else {
    const hn::Half<Tag<T>> half;
    const auto low = hn::LowerHalf(half, v);
    const auto high = hn::UpperHalf(half, v);
    hn::StoreU(hn::LowerHalf(p, low), p, to);
    hn::StoreU(hn::UpperHalf(p, low), p, to + stride);
    hn::StoreU(hn::LowerHalf(p, high), p, to + 2 * stride);
    hn::StoreU(hn::UpperHalf(p, high), p, to + 3 * stride);
  }
}

// load(0), load(1), ... with entry j of piece i of theirs at i of piece j: given to store(0, ...),
// store(1, ...), ... By name: of an array GCC 12 would keep a copy on the stack.
template <class T, class Load, class Store>
HWY_INLINE void transpose_pieces(Load&& load, Store&& store) {
  const Tag<T> d;
  const auto v0 = load(0);
  const auto v1 = load(1);
  if constexpr (kPiece<T> == 2) {
    store(0, hn::InterleaveLower(d, v0, v1));
    store(1, hn::InterleaveUpper(d, v0, v1));
  } else {
    const auto v2 = load(2);
    const auto v3 = load(3);
    const auto low02 = hn::InterleaveLower(d, v0, v2);
    const auto low13 = hn::InterleaveLower(d, v1, v3);
    const auto high02 = hn::InterleaveUpper(d, v0, v2);
    const auto high13 = hn::InterleaveUpper(d, v1, v3);
    store(0, hn::InterleaveLower(d, low02, low13));
    store(1, hn::InterleaveUpper(d, low02, low13));
    store(2, hn::InterleaveLower(d, high02, high13));
    store(3, hn::InterleaveUpper(d, high02, high13));
  }
}

// body(first matrix of a group, e, place of entry e) for kPiece entries at a time; the last step
// may take entries that another has taken.
template <class T, bool kTall, class Body>
HWY_INLINE void over_pieces(Index rows, Index cols, Body&& body) {
  const Index size = rows * cols;
  for (Index g = 0; g < kBlock; g += kGroup<T>) {
    Place<kTall> place(rows, cols, 0);
    Index e = 0;
    for (; e + kPiece<T> <= size; e += kPiece<T>) body(g, e, place);
    if (e == size) continue;
    Place<kTall> last(rows, cols, size - kPiece<T>);
    body(g, size - kPiece<T>, last);
  }
}

#endif

template <class T, bool kTall>
HWY_INLINE void interleave(const T* matrices, Index rows, Index cols, T* block) {
  const Index size = rows * cols;
#if HWY_TARGET != HWY_SCALAR
  if (size >= kPiece<T>) {
    over_pieces<T, kTall>(
        rows,
        cols, [&](Index g, Index e, Place<kTall> & place) HWY_ATTR __attribute__((always_inline)) {
          const T* const from = matrices + g * size + e;
          transpose_pieces<T>(
              [&](Index i) HWY_ATTR __attribute__((always_inline)) {
                return load_pieces(from + i * size, kPiece<T> * size);
              },
              [&](Index, Vector<T> v) HWY_ATTR __attribute__((always_inline)) {
                hn::StoreU(v, Tag<T>(), block + place.next() + g);
              });
        });
    return;
  }
#endif
  Place<kTall> place(rows, cols, 0);
  for (Index e = 0; e < size; ++e) {
    T* const to = block + place.next();
    for (Index k = 0; k < kBlock; ++k) to[k] = matrices[k * size + e];
  }
}

template <class T, bool kTall>
HWY_INLINE void deinterleave(const T* block, Index rows, Index cols, T* matrices) {
  const Index size = rows * cols;
#if HWY_TARGET != HWY_SCALAR
  if (size >= kPiece<T>) {
    over_pieces<T, kTall>(
        rows,
        cols, [&](Index g, Index e, Place<kTall> & place) HWY_ATTR __attribute__((always_inline)) {
          T* const to = matrices + g * size + e;
          transpose_pieces<T>(
              [&](Index) HWY_ATTR __attribute__((always_inline)) {
                return hn::LoadU(Tag<T>(), block + place.next() + g);
              },
              [&](Index i, Vector<T> v) HWY_ATTR
              __attribute__((always_inline)) { store_pieces(v, to + i * size, kPiece<T> * size); });
        });
    return;
  }
#endif
  Place<kTall> place(rows, cols, 0);
  for (Index e = 0; e < size; ++e) {
    const T* const from = block + place.next();
    for (Index k = 0; k < kBlock; ++k) matrices[k * size + e] = from[k];
  }
}

}  // namespace

void interleave_float(const float* matrices, Index rows, Index cols, float* block) {
  if (rows > cols) {
    interleave<float, true>(matrices, rows, cols, block);
  } else {
    interleave<float, false>(matrices, rows, cols, block);
  }
}
void interleave_double(const double* matrices, Index rows, Index cols, double* block) {
  if (rows > cols) {
    interleave<double, true>(matrices, rows, cols, block);
  } else {
    interleave<double, false>(matrices, rows, cols, block);
  }
}
void deinterleave_float(const float* block, Index rows, Index cols, float* matrices) {
  if (rows > cols) {
    deinterleave<float, true>(block, rows, cols, matrices);
  } else {
    deinterleave<float, false>(block, rows, cols, matrices);
  }
}
void deinterleave_double(const double* block, Index rows, Index cols, double* matrices) {
  if (rows > cols) {
    deinterleave<double, true>(block, rows, cols, matrices);
  } else {
    deinterleave<double, false>(block, rows, cols, matrices);
  }
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(interleave_float);
HWY_EXPORT(interleave_double);
HWY_EXPORT(deinterleave_float);
HWY_EXPORT(deinterleave_double);

void interleave_block(const float* matrices, Index rows, Index cols, float* block) {
  HWY_DYNAMIC_DISPATCH(interleave_float)(matrices, rows, cols, block);
}
void interleave_block(const double* matrices, Index rows, Index cols, double* block) {
  HWY_DYNAMIC_DISPATCH(interleave_double)(matrices, rows, cols, block);
}
void deinterleave_block(const float* block, Index rows, Index cols, float* matrices) {
  HWY_DYNAMIC_DISPATCH(deinterleave_float)(block, rows, cols, matrices);
}
void deinterleave_block(const double* block, Index rows, Index cols, double* matrices) {
  HWY_DYNAMIC_DISPATCH(deinterleave_double)(block, rows, cols, matrices);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE
