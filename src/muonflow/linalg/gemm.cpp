#include "muonflow/linalg/gemm.hpp"

#include <algorithm>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/panel_gemm.hpp"

namespace muonflow::linalg {
namespace {

// How a product is cut: by its shape alone.
struct Grid {
  Index row_parts = 1;
  Index col_parts = 1;
};

// A multiple of 16 keeps whole vectors in every part but the last.
Index cut(Index size, Index parts, Index part) {
  const Index at = size * part / parts;
  return part == parts ? size : at / 16 * 16;
}

// Four to eight panels: enough to occupy threads that are interrupted, while a panel still packs
// little beside what it multiplies (measured: 97 to 100 percent of one uncut call's rate).
Grid grid_of(Index m, Index n, Index k) {
  constexpr double kWorthCutting = 96.0 * 96.0 * 96.0;  // below, waking a thread costs more
  constexpr Index kNarrow = 32;
  const auto work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  if (work < kWorthCutting) return {};
  if (m >= 256 && n >= 256) return {2, 4};
  if (n > m) return {1, std::clamp<Index>(n / kNarrow, 1, 4)};
  return {std::clamp<Index>(m / kNarrow, 1, 4), 1};
}

template <class T>
void scale(T beta, MatrixRef<T> c) {
  if (beta == T(0)) {
    c.setZero();
  } else if (beta != T(1)) {
    c *= beta;
  }
}

}  // namespace

template <class T>
void gemm(Op op_a, Op op_b, T alpha, const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, T beta,
          MatrixRef<T> c) {
  const bool ta = op_a == Op::transpose;
  const bool tb = op_b == Op::transpose;
  const Index m = ta ? a.cols() : a.rows();
  const Index k = ta ? a.rows() : a.cols();
  const Index n = tb ? b.rows() : b.cols();
  if ((tb ? b.cols() : b.rows()) != k || c.rows() != m || c.cols() != n) {
    throw ShapeError({.what = "matrix product",
                      .expected = "op(a) [m, k], op(b) [k, n], c [m, n]",
                      .found = to_string(Shape{m, k}) + ", " +
                               to_string(Shape{tb ? b.cols() : b.rows(), n}) + ", " +
                               to_string(Shape{c.rows(), c.cols()})});
  }
  if (m == 0 || n == 0) return;
  if (k == 0) {
    scale<T>(beta, c);
    return;
  }
  const T* const pa = a.data();
  const T* const pb = b.data();
  T* const pc = c.data();
  const Index lda = a.outerStride();
  const Index ldb = b.outerStride();
  const Index ldc = c.outerStride();
  const Grid grid = grid_of(m, n, k);
  // Not `grid` itself: GCC warns of a lambda that holds a type of an unnamed namespace where a
  // header sees its function.
  const Index row_parts = grid.row_parts;
  const Index col_parts = grid.col_parts;
  const auto panel = [&](Index index) {
    const Index i0 = cut(m, row_parts, index / col_parts);
    const Index i1 = cut(m, row_parts, index / col_parts + 1);
    const Index j0 = cut(n, col_parts, index % col_parts);
    const Index j1 = cut(n, col_parts, index % col_parts + 1);
    if (i0 == i1 || j0 == j1) return;
    detail::panel_gemm(ta, tb, i1 - i0, j1 - j0, k, alpha, pa + (ta ? i0 : i0 * lda), lda,
                       pb + (tb ? j0 * ldb : j0), ldb, beta, pc + i0 * ldc + j0, ldc);
  };
  parallel_tasks(row_parts * col_parts, panel);
}

template void gemm<float>(Op, Op, float, const ConstMatrixRef<float>&, const ConstMatrixRef<float>&,
                          float, MatrixRef<float>);
template void gemm<double>(Op, Op, double, const ConstMatrixRef<double>&,
                           const ConstMatrixRef<double>&, double, MatrixRef<double>);

}  // namespace muonflow::linalg
