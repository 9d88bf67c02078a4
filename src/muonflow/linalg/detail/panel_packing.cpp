#include "muonflow/linalg/detail/panel_packing.hpp"

#include <algorithm>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/detail/panel_packing.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

#include "muonflow/linalg/detail/turn-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

// The strip of panels over rows that begins at row `first` of x: x / divisor where the reciprocal
// is a normal number, else unscaled.
template <class T>
void pack_row_strip(const T* x, Index stride, Index rows, Index depth, T factor, T* to,
                    Index to_width) {
  const hn::CappedTag<T, 64 / sizeof(T)> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kLanes = Panels<T>::kLanes;
  HWY_ALIGN T square[kLanes * kLanes];
  for (Index k = 0; k < depth; k += kLanes) {
    const Index cols = std::min(kLanes, depth - k);
    const bool whole = rows == kLanes && cols == kLanes;
    const T* from = x + k;
    Index from_stride = stride;
    if (!whole) {
      std::fill_n(square, kLanes * kLanes, T(0));
      for (Index i = 0; i < rows; ++i) std::copy_n(x + i * stride + k, cols, square + i * kLanes);
      from = square;
      from_stride = kLanes;
    }
    HWY_ALIGN T turned[kLanes * kLanes];
    T* const target = whole ? to + k * to_width : turned;
    const Index target_stride = whole ? to_width : kLanes;
    for (Index j = 0; j < kLanes; j += lanes) {
      for (Index i = 0; i < kLanes; i += lanes) {
        transpose_square(d, from + i * from_stride + j, from_stride, factor,
                         target + j * target_stride + i, target_stride);
      }
    }
    if (whole) continue;
    for (Index j = 0; j < cols; ++j) {
      std::copy_n(turned + j * kLanes, kLanes, to + (k + j) * to_width);
    }
  }
}

template <class T>
void pack_column_strip(const T* x, Index stride, Index cols, Index depth, T factor, T* to,
                       Index to_width) {
  const hn::CappedTag<T, 64 / sizeof(T)> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kLanes = Panels<T>::kLanes;
  const auto scale = hn::Set(d, factor);
  HWY_ALIGN T row[kLanes] = {};
  for (Index k = 0; k < depth; ++k) {
    const T* from = x + k * stride;
    if (cols < kLanes) {
      std::copy_n(from, cols, row);
      from = row;
    }
    for (Index j = 0; j < kLanes; j += lanes) {
      hn::Store(hn::Mul(scale, hn::LoadU(d, from + j)), d, to + k * to_width + j);
    }
  }
}

void pack_row_float(const float* x, Index stride, Index rows, Index depth, float factor, float* to,
                    Index to_width) {
  pack_row_strip(x, stride, rows, depth, factor, to, to_width);
}
void pack_row_double(const double* x, Index stride, Index rows, Index depth, double factor,
                     double* to, Index to_width) {
  pack_row_strip(x, stride, rows, depth, factor, to, to_width);
}
void pack_column_float(const float* x, Index stride, Index cols, Index depth, float factor,
                       float* to, Index to_width) {
  pack_column_strip(x, stride, cols, depth, factor, to, to_width);
}
void pack_column_double(const double* x, Index stride, Index cols, Index depth, double factor,
                        double* to, Index to_width) {
  pack_column_strip(x, stride, cols, depth, factor, to, to_width);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(pack_row_float);
HWY_EXPORT(pack_row_double);
HWY_EXPORT(pack_column_float);
HWY_EXPORT(pack_column_double);

namespace {

void pack_row_strip(const float* x, Index stride, Index rows, Index depth, float factor, float* to,
                    Index to_width) {
  HWY_DYNAMIC_DISPATCH(pack_row_float)(x, stride, rows, depth, factor, to, to_width);
}
void pack_row_strip(const double* x, Index stride, Index rows, Index depth, double factor,
                    double* to, Index to_width) {
  HWY_DYNAMIC_DISPATCH(pack_row_double)(x, stride, rows, depth, factor, to, to_width);
}
void pack_column_strip(const float* x, Index stride, Index cols, Index depth, float factor,
                       float* to, Index to_width) {
  HWY_DYNAMIC_DISPATCH(pack_column_float)(x, stride, cols, depth, factor, to, to_width);
}
void pack_column_strip(const double* x, Index stride, Index cols, Index depth, double factor,
                       double* to, Index to_width) {
  HWY_DYNAMIC_DISPATCH(pack_column_double)(x, stride, cols, depth, factor, to, to_width);
}

// One strip of panels after another: pack(first row, rows, factor, where it begins, width). Values
// are divided by the reciprocal where that is a normal number, otherwise one by one afterwards.
template <class T, class Pack>
void pack_strips(const Panels<T>& to, double divisor, const Pack& pack) {
  using P = Panels<T>;
  const double reciprocal = 1 / divisor;
  constexpr double kLargest = 0.25 * static_cast<double>(std::numeric_limits<T>::max());
  const bool by_reciprocal = reciprocal < kLargest && divisor < kLargest;
  const T factor = by_reciprocal ? static_cast<T>(reciprocal) : T(1);
  parallel_tasks(P::padded(to.rows) / P::kLanes, [&](Index strip) {
    const Index first = strip * P::kLanes;
    const Index panel = first / P::kWidth;
    const Index width = to.width(panel);
    T* const at = to.panel(panel) + first % P::kWidth;
    pack(first, std::min(P::kLanes, to.rows - first), factor, at, width);
    if (by_reciprocal) return;
    for (Index k = 0; k < to.depth; ++k) {
      for (Index i = 0; i < P::kLanes; ++i) {
        T& value = at[k * width + i];
        value = static_cast<T>(static_cast<double>(value) / divisor);
      }
    }
  });
}

}  // namespace

template <class T>
void pack_rows(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to) {
  pack_strips<T>(to, divisor, [&](Index first, Index rows, T factor, T* at, Index width) {
    pack_row_strip(x.data() + first * x.outerStride(), x.outerStride(), rows, to.depth, factor, at,
                   width);
  });
}

template <class T>
void pack_columns(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to) {
  pack_strips<T>(to, divisor, [&](Index first, Index cols, T factor, T* at, Index width) {
    pack_column_strip(x.data() + first, x.outerStride(), cols, to.depth, factor, at, width);
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                   \
  template void pack_rows<T>(const ConstMatrixRef<T>&, double, const Panels<T>&); \
  template void pack_columns<T>(const ConstMatrixRef<T>&, double, const Panels<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE
