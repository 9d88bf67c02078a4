#include "muonflow/linalg/detail/panel_product.hpp"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>

#include "muonflow/core/parallel.hpp"
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

#include "muonflow/linalg/detail/turn-inl.hpp"

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

void one_strip_float(const PanelProduct<float>& p, const Strip& at) { one_strip<float>(p, at); }
void one_strip_double(const PanelProduct<double>& p, const Strip& at) { one_strip<double>(p, at); }

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(one_strip_float);
HWY_EXPORT(one_strip_double);

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

template void multiply<float>(const PanelProduct<float>&);
template void multiply<double>(const PanelProduct<double>&);

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE
