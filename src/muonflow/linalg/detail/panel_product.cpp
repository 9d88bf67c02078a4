#include "muonflow/linalg/detail/panel_product.hpp"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#ifndef MUONFLOW_LINALG_DETAIL_STRIP
#define MUONFLOW_LINALG_DETAIL_STRIP
namespace muonflow::linalg::detail {
namespace {

// What one task computes: rows [first, first + rows) of a row panel, the first `cols` columns of a
// column panel; whole vectors.
struct Strip {
  Index row_panel, first, rows, col_panel, cols;
};

}  // namespace
}  // namespace muonflow::linalg::detail
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/detail/panel_product.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// c [kRows, kVectors * lanes] = a b^T over `depth`, on top of what c holds if `add`. All of c
// stays in registers: kRows * kVectors chains of multiply-adds, one broadcast of a for kVectors of
// them.
template <int kRows, int kVectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void register_tile(D d, Index depth, const T* HWY_RESTRICT a, Index a_width,
                              const T* HWY_RESTRICT b, Index b_width, T* HWY_RESTRICT c, bool add) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kStride = Panels<T>::kWidth;
  constexpr Index kAhead = 24;
  using V = decltype(hn::Zero(d));
  V sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  for (Index k = 0; k < depth; ++k) {
    V row[kVectors];
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      hwy::Prefetch(b + kAhead * b_width + j * lanes);
      row[j] = hn::Load(d, b + j * lanes);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const V value = hn::Set(d, a[i]);
#pragma GCC unroll 3
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(value, row[j], sum[i][j]);
    }
    a += a_width;
    b += b_width;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      T* const to = c + i * kStride + j * lanes;
      hn::Store(add ? hn::Add(sum[i][j], hn::Load(d, to)) : sum[i][j], d, to);
    }
  }
}

// Rows [first, first + rows) of a row panel times a column panel. `lower`: the column panel is the
// same one and the result symmetric; what lies right of the diagonal may be left out (whole vectors
// only).
template <class D, class T = hn::TFromD<D>>
void strip(D d, Index first, Index rows, Index cols, Index depth, const T* a, Index a_width,
           const T* b, Index b_width, T* c, bool add, bool lower) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kStride = Panels<T>::kWidth;
  constexpr int kRows = HWY_MAX_BYTES >= 64 ? 8 : 4;  // registers: 8 x 3 sums of 32, 4 x 3 of 16
  a += first;
  for (Index i = 0; i < rows; i += kRows) {
    const Index needed =
        lower ? std::min(cols, (first + i + kRows + lanes - 1) / lanes * lanes) : cols;
    for (Index j = 0; j < needed; j += 3 * lanes) {
      const Index vectors = (needed - j) / lanes;
      T* const to = c + i * kStride + j;
      if (vectors >= 3) {
        register_tile<kRows, 3>(d, depth, a + i, a_width, b + j, b_width, to, add);
      } else if (vectors == 2) {
        register_tile<kRows, 2>(d, depth, a + i, a_width, b + j, b_width, to, add);
      } else {
        register_tile<kRows, 1>(d, depth, a + i, a_width, b + j, b_width, to, add);
      }
    }
  }
}

// to <- alpha from + beta addend, a row of `count` (a multiple of the lanes).
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void combine_row(D d, Index count, T alpha, const T* from, T beta, const T* addend,
                            T* to) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const auto scale = hn::Set(d, alpha);
  const auto weight = hn::Set(d, beta);
  for (Index j = 0; j < count; j += lanes) {
    auto value = hn::Mul(scale, hn::Load(d, from + j));
    if (addend != nullptr) value = hn::MulAdd(weight, hn::Load(d, addend + j), value);
    hn::Store(value, d, to + j);
  }
}

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

// Writes a strip of the result in every form that is asked for.
template <class D, class T = hn::TFromD<D>>
void write(D d, const PanelProduct<T>& p, const Strip& strip, const T* c) {
  constexpr Index kWidth = Panels<T>::kWidth;
  const Index row_width = p.a.width(strip.row_panel);
  const Index col_width = p.b.width(strip.col_panel);
  const Index first_row = strip.row_panel * kWidth + strip.first;
  const Index first_col = strip.col_panel * kWidth;
  const Index rows = std::min(strip.rows, p.a.rows - first_row);
  const Index cols = std::min(strip.cols, p.b.rows - first_col);
  const Index m = p.a.rows;
  const Index n = p.b.rows;
  const bool diagonal = p.symmetric && strip.row_panel == strip.col_panel;
  // What is mirrored: of a strip on the diagonal, what lies left of its own square.
  const Index mirrored = diagonal ? std::min(strip.first, cols) : cols;
  // Where the strip begins in panels over columns, and its mirror image in panels over rows.
  const Index in_columns = first_col * m + first_row * col_width;
  const Index in_rows = (first_row - strip.first) * n + first_col * row_width + strip.first;
  HWY_ALIGN T result[kWidth * kWidth];
  for (int o = 0; o < p.output_count; ++o) {
    const PanelOutput<T>& out = p.outputs[static_cast<std::size_t>(o)];
    const T* const addend = out.beta != T(0) ? p.addend + in_columns : nullptr;
    // Straight into the panels over columns where there are such.
    T* const value = out.columns != nullptr ? out.columns + in_columns : result;
    const Index stride = out.columns != nullptr ? col_width : kWidth;
    for (Index i = 0; i < rows; ++i) {
      combine_row(d, strip.cols, out.alpha, c + i * kWidth, out.beta,
                  addend != nullptr ? addend + i * col_width : nullptr, value + i * stride);
      const Index at = first_row + i - first_col;
      if (out.gamma != T(0) && at >= 0 && at < cols) value[i * stride + at] += out.gamma;
    }
    if (T* const mirror = p.symmetric ? out.columns : out.rows; mirror != nullptr) {
      T* const to = mirror + in_rows;
      transpose_any(d, rows, mirrored, value, stride, to, row_width);
      for (Index j = 0; j < mirrored && rows < strip.rows; ++j) {
        std::fill(to + j * row_width + rows, to + j * row_width + strip.rows, T(0));
      }
    }
    if (out.plain == nullptr) continue;
    if (!out.turned || p.symmetric) {
      for (Index i = 0; i < rows; ++i) {
        std::copy_n(value + i * stride, cols, out.plain + (first_row + i) * out.stride + first_col);
      }
    }
    const Index across = p.symmetric ? mirrored : out.turned ? cols : 0;
    transpose_any(d, rows, across, value, stride, out.plain + first_col * out.stride + first_row,
                  out.stride);
  }
}

template <class T>
void one_strip(const PanelProduct<T>& p, const Strip& at) {
  // Blocks of the depth keep both panels in the second cache.
  constexpr Index kWidth = Panels<T>::kWidth;
  const hn::CappedTag<T, 64 / sizeof(T)> d;
  HWY_ALIGN T c[kWidth * kWidth];
  const Index a_width = p.a.width(at.row_panel);
  const Index b_width = p.b.width(at.col_panel);
  const bool diagonal = p.symmetric && at.row_panel == at.col_panel;
  const T* const a = p.a.panel(at.row_panel);
  const T* const b = p.b.panel(at.col_panel);
  for (Index k = 0; k < p.a.depth; k += p.depth_block) {
    strip(d, at.first, at.rows, at.cols, std::min(p.depth_block, p.a.depth - k), a + k * a_width,
          a_width, b + k * b_width, b_width, c, k > 0, diagonal);
  }
  if (diagonal) {
    // The upper half of the square on the diagonal from the lower one.
    T* const square = c + at.first;
    for (Index i = 0; i < at.rows; ++i) {
      for (Index j = i + 1; j < at.rows; ++j) square[i * kWidth + j] = square[j * kWidth + i];
    }
  }
  write(d, p, at, c);
}

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
void one_strip_float(const PanelProduct<float>& p, const Strip& at) { one_strip<float>(p, at); }
void one_strip_double(const PanelProduct<double>& p, const Strip& at) { one_strip<double>(p, at); }

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(one_strip_float);
HWY_EXPORT(one_strip_double);
HWY_EXPORT(pack_row_float);
HWY_EXPORT(pack_row_double);
HWY_EXPORT(pack_column_float);
HWY_EXPORT(pack_column_double);

namespace {

void dispatch(const PanelProduct<float>& p, const Strip& at) {
  HWY_DYNAMIC_DISPATCH(one_strip_float)(p, at);
}
void dispatch(const PanelProduct<double>& p, const Strip& at) {
  HWY_DYNAMIC_DISPATCH(one_strip_double)(p, at);
}

// Small products are cut into strips of one vector of rows, so that the threads end together;
// large ones into tiles of whole panels, which read their operands less often. By the shape alone,
// and entries do not depend on it.
constexpr Index kFewPanels = 8;

template <class T>
void multiply_strips(const PanelProduct<T>& p) {
  using P = Panels<T>;
  constexpr Index kStrips = P::kWidth / P::kLanes;  // of a panel
  const Index strips = P::padded(p.a.rows) / P::kLanes;
  const auto at = [&](Index strip, Index col_panel, Index cols) {
    return Strip{.row_panel = strip / kStrips,
                 .first = strip % kStrips * P::kLanes,
                 .rows = P::kLanes,
                 .col_panel = col_panel,
                 .cols = cols};
  };
  if (!p.symmetric) {
    // A strip of a with all of b, so that who writes a row of c is who reads that row of a; with
    // one panel of b where there would be too few tasks.
    const Index parts = strips < 8 ? p.b.count() : 1;
    parallel_tasks(strips * parts, [&](Index index) {
      const Index panels = p.b.count() / parts;
      for (Index q = index / strips * panels; q < (index / strips + 1) * panels; ++q) {
        dispatch(p, at(index % strips, q, p.b.width(q)));
      }
    });
    return;
  }
  // The strips left of the diagonal panels first, then those on the diagonal, widest first.
  std::array<Strip, kFewPanels*(kFewPanels + 1) / 2 * kStrips> tasks;
  std::size_t count = 0;
  for (Index s = 0; s < strips; ++s) {
    for (Index q = 0; q < s / kStrips; ++q) tasks[count++] = at(s, q, P::kWidth);
  }
  for (Index width = kStrips; width > 0; --width) {
    for (Index s = width - 1; s < strips; s += kStrips) {
      tasks[count++] = at(s, s / kStrips, width * P::kLanes);
    }
  }
  parallel_tasks(static_cast<Index>(count),
                 [&](Index index) { dispatch(p, tasks[static_cast<std::size_t>(index)]); });
}

template <class T>
void multiply_tiles(const PanelProduct<T>& p) {
  const auto tile = [&](Index row_panel, Index col_panel) {
    dispatch(p, {.row_panel = row_panel,
                 .first = 0,
                 .rows = p.a.width(row_panel),
                 .col_panel = col_panel,
                 .cols = p.b.width(col_panel)});
  };
  const Index row_panels = p.a.count();
  if (!p.symmetric) {
    parallel_tasks(row_panels * p.b.count(),
                   [&](Index index) { tile(index % row_panels, index / row_panels); });
    return;
  }
  parallel_tasks(row_panels * (row_panels + 1) / 2, [&](Index index) {
    Index row = 0;
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    tile(row, index - row * (row + 1) / 2);
  });
}

}  // namespace

template <class T>
void multiply(const PanelProduct<T>& product) {
  if (product.a.count() <= kFewPanels && product.b.count() <= kFewPanels) {
    multiply_strips(product);
  } else {
    multiply_tiles(product);
  }
}

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
  template void multiply<T>(const PanelProduct<T>&);                              \
  template void pack_rows<T>(const ConstMatrixRef<T>&, double, const Panels<T>&); \
  template void pack_columns<T>(const ConstMatrixRef<T>&, double, const Panels<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE
