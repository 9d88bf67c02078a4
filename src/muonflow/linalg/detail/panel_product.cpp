#include "muonflow/linalg/detail/panel_product.hpp"

#include <hwy/cache_control.h>

#include <algorithm>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/simd_targets.hpp"

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
  constexpr Index kAhead = 8;  // rows of b fetched before they are needed
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

// The tile [rows, cols] of c for a block of the depth. `lower`: what lies right of the diagonal
// may be left out (whole vectors only).
template <class D, class T = hn::TFromD<D>>
void tile(D d, Index rows, Index cols, Index depth, const T* a, Index a_width, const T* b,
          Index b_width, T* c, bool add, bool lower) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kStride = Panels<T>::kWidth;
  constexpr int kRows = HWY_MAX_BYTES >= 64 ? 8 : 4;  // registers: 8 x 3 sums of 32, 4 x 3 of 16
  for (Index i = 0; i < rows; i += kRows) {
    const Index needed = lower ? std::min(cols, (i + kRows + lanes - 1) / lanes * lanes) : cols;
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

// Whether `panels` of the result are written tile row by tile row; see PanelOutput.
template <class D, class T = hn::TFromD<D>>
void write(D d, const PanelProduct<T>& p, Index row_panel, Index col_panel, const T* c) {
  constexpr Index kWidth = Panels<T>::kWidth;
  const Index rows = p.a.rows_of(row_panel);
  const Index row_width = p.a.width(row_panel);
  const Index col_width = p.b.width(col_panel);
  const Index cols = p.b.rows_of(col_panel);
  const Index first_row = row_panel * kWidth;
  const Index first_col = col_panel * kWidth;
  const Index m = p.a.rows;
  const Index n = p.b.rows;
  // Where this tile begins in panels over columns, and its mirror image in panels over rows.
  const Index in_columns = first_col * m + first_row * col_width;
  const Index in_rows = first_row * n + first_col * row_width;
  HWY_ALIGN T result[kWidth * kWidth];
  for (int o = 0; o < p.output_count; ++o) {
    const PanelOutput<T>& out = p.outputs[static_cast<std::size_t>(o)];
    const T* const addend = out.beta != T(0) ? p.addend + in_columns : nullptr;
    // Straight into the panels over columns where there are such.
    T* const to = out.columns != nullptr ? out.columns + in_columns : result;
    const Index stride = out.columns != nullptr ? col_width : kWidth;
    for (Index i = 0; i < rows; ++i) {
      combine_row(d, col_width, out.alpha, c + i * kWidth, out.beta,
                  addend != nullptr ? addend + i * col_width : nullptr, to + i * stride);
      const Index diagonal = first_row + i - first_col;
      if (out.gamma != T(0) && diagonal >= 0 && diagonal < cols) {
        to[i * stride + diagonal] += out.gamma;
      }
    }
    T* const mirror = p.symmetric ? (row_panel != col_panel ? out.columns : nullptr) : out.rows;
    if (mirror != nullptr) {
      T* const at = mirror + in_rows;
      transpose_block(rows, cols, to, stride, at, row_width);
      for (Index j = 0; j < cols && rows < row_width; ++j) {
        std::fill(at + j * row_width + rows, at + (j + 1) * row_width, T(0));
      }
    }
    if (out.plain == nullptr) continue;
    const bool both = p.symmetric && row_panel != col_panel;
    if (!out.turned || both) {
      for (Index i = 0; i < rows; ++i) {
        std::copy_n(to + i * stride, cols, out.plain + (first_row + i) * out.stride + first_col);
      }
    }
    if (out.turned || both) {
      transpose_block(rows, cols, to, stride, out.plain + first_col * out.stride + first_row,
                      out.stride);
    }
  }
}

template <class T>
void one_tile(const PanelProduct<T>& p, Index row_panel, Index col_panel) {
  // Blocks of the depth keep both panels in the second cache.
  constexpr Index kWidth = Panels<T>::kWidth;
  const hn::CappedTag<T, 64 / sizeof(T)> d;
  HWY_ALIGN T c[kWidth * kWidth];
  const Index a_width = p.a.width(row_panel);
  const Index b_width = p.b.width(col_panel);
  const bool diagonal = p.symmetric && row_panel == col_panel;
  const T* const a = p.a.panel(row_panel);
  const T* const b = p.b.panel(col_panel);
  for (Index k = 0; k < p.a.depth; k += p.depth_block) {
    tile(d, a_width, b_width, std::min(p.depth_block, p.a.depth - k), a + k * a_width, a_width,
         b + k * b_width, b_width, c, k > 0, diagonal);
  }
  if (diagonal) {
    // The upper half from the lower one, in blocks of vectors that were computed.
    for (Index i = 0; i < b_width; ++i) {
      for (Index j = i + 1; j < a_width; ++j) c[i * kWidth + j] = c[j * kWidth + i];
    }
  }
  write(d, p, row_panel, col_panel, c);
}

void one_tile_float(const PanelProduct<float>& p, Index row_panel, Index col_panel) {
  one_tile<float>(p, row_panel, col_panel);
}
void one_tile_double(const PanelProduct<double>& p, Index row_panel, Index col_panel) {
  one_tile<double>(p, row_panel, col_panel);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(one_tile_float);
HWY_EXPORT(one_tile_double);

namespace {

void dispatch(const PanelProduct<float>& p, Index row_panel, Index col_panel) {
  HWY_DYNAMIC_DISPATCH(one_tile_float)(p, row_panel, col_panel);
}
void dispatch(const PanelProduct<double>& p, Index row_panel, Index col_panel) {
  HWY_DYNAMIC_DISPATCH(one_tile_double)(p, row_panel, col_panel);
}

}  // namespace

template <class T>
void multiply(const PanelProduct<T>& product) {
  const Index row_panels = product.a.count();
  const Index col_panels = product.b.count();
  if (!product.symmetric) {
    parallel_tasks(row_panels * col_panels,
                   [&](Index index) { dispatch(product, index % row_panels, index / row_panels); });
    return;
  }
  parallel_tasks(row_panels * (row_panels + 1) / 2, [&](Index index) {
    Index row = 0;
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    dispatch(product, row, index - row * (row + 1) / 2);
  });
}

namespace {

// values / divisor. By the reciprocal where that is a normal number, else by division.
template <class T>
void divide(T* values, Index count, double divisor) {
  const double reciprocal = 1 / divisor;
  const T factor = static_cast<T>(reciprocal);
  constexpr double kLargest = 0.25 * static_cast<double>(std::numeric_limits<T>::max());
  if (reciprocal < kLargest && divisor < kLargest) {
    if (factor == T(1)) return;
    for (Index i = 0; i < count; ++i) values[i] *= factor;
  } else {
    for (Index i = 0; i < count; ++i) {
      values[i] = static_cast<T>(static_cast<double>(values[i]) / divisor);
    }
  }
}

}  // namespace

template <class T>
void pack_rows(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to) {
  parallel_tasks(to.count(), [&](Index p) {
    constexpr Index kBlock = 64;
    const Index rows = to.rows_of(p);
    const Index width = to.width(p);
    const T* const from = x.data() + p * Panels<T>::kWidth * x.outerStride();
    for (Index k = 0; k < to.depth; k += kBlock) {
      const Index depth = std::min(kBlock, to.depth - k);
      T* const at = to.panel(p) + k * width;
      if (rows < width) std::fill_n(at, depth * width, T(0));
      transpose_block(rows, depth, from + k, x.outerStride(), at, width);
      divide(at, depth * width, divisor);
    }
  });
}

template <class T>
void pack_columns(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to) {
  parallel_tasks(to.count(), [&](Index p) {
    const Index rows = to.rows_of(p);
    const Index width = to.width(p);
    for (Index k = 0; k < to.depth; ++k) {
      const T* const from = x.data() + k * x.outerStride() + p * Panels<T>::kWidth;
      T* const at = to.panel(p) + k * width;
      std::copy_n(from, rows, at);
      std::fill(at + rows, at + width, T(0));
      divide(at, rows, divisor);
    }
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
