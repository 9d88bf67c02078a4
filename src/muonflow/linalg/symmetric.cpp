#include "muonflow/linalg/symmetric.hpp"

#include <algorithm>
#include <type_traits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/panel_gemm.hpp"
#include "muonflow/linalg/detail/transpose.hpp"

namespace muonflow::linalg {
namespace {

// Tiles a side, chosen by the shape alone. Few large tiles waste work on the diagonal and leave
// threads idle at the end, many small ones waste it in calls; measured on single-threaded calls,
// oneDNN's best are 48 wide (its register block), OpenBLAS is even from 96 on.
template <class T>
Index tiles_of(Index m) {
  if (m <= 64) return 1;
  const Index width = std::is_same_v<T, float> && m <= 800 ? 48 : 96;
  return std::max<Index>(3, (m + width - 1) / width);
}

// c tile by tile; `b` is the second factor, [k, m] or, transposed, [m, k].
template <class T>
void tiled(Index m, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
           bool transpose_b, T beta, T* c, Index ldc) {
  const Index tiles = tiles_of<T>(m);
  const Index width = ((m + tiles - 1) / tiles + 15) / 16 * 16;
  const auto edge = [=](Index t) { return std::min(m, t * width); };
  parallel_tasks(tiles * (tiles + 1) / 2, [&](Index index) {
    Index row = 0;
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    const Index col = index - row * (row + 1) / 2;
    const Index i0 = edge(row);
    const Index i1 = edge(row + 1);
    const Index j0 = edge(col);
    const Index j1 = edge(col + 1);
    if (i0 == i1) return;
    T* const tile = c + i0 * ldc + j0;
    detail::panel_gemm(false, transpose_b, i1 - i0, j1 - j0, k, alpha, a + i0 * lda, lda,
                       transpose_b ? b + j0 * ldb : b + j0, ldb, beta, tile, ldc);
    if (row != col) {
      detail::transpose_block(i1 - i0, j1 - j0, tile, ldc, c + j0 * ldc + i0, ldc);
      return;
    }
    // A library need not round entry (i, j) as it rounds (j, i).
    for (Index i = i0; i < i1; ++i) {
      for (Index j = i0; j < i; ++j) c[j * ldc + i] = c[i * ldc + j];
    }
  });
}

template <class T>
void check(const ConstMatrixRef<T>& a, const MatrixRef<T>& c) {
  if (c.rows() == a.rows() && c.cols() == a.rows()) return;
  throw ShapeError({.what = "symmetric product",
                    .expected = "c " + to_string(Shape{a.rows(), a.rows()}),
                    .found = to_string(Shape{c.rows(), c.cols()})});
}

// No inner size: only the scaling is left. True where that was so.
template <class T>
bool nothing_to_add(const ConstMatrixRef<T>& a, T beta, MatrixRef<T>& c) {
  if (a.size() != 0) return false;
  if (beta == T(0)) {
    c.setZero();
  } else {
    c *= beta;
  }
  return true;
}

}  // namespace

template <class T>
void symmetric_product(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c) {
  check<T>(a, c);
  if (nothing_to_add<T>(a, beta, c)) return;
  tiled<T>(a.rows(), a.cols(), alpha, a.data(), a.outerStride(), a.data(), a.outerStride(), true,
           beta, c.data(), c.outerStride());
}

template <class T>
void symmetric_product(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c,
                       Scratch& scratch) {
  check<T>(a, c);
  if (nothing_to_add<T>(a, beta, c)) return;
  Scratch::Frame frame(scratch);
  MatrixMap<T> transposed = frame.matrix<T>(a.cols(), a.rows());
  detail::transpose<T>(a.rows(), a.cols(), a.data(), a.outerStride(), transposed.data(), a.rows());
  tiled<T>(a.rows(), a.cols(), alpha, a.data(), a.outerStride(), transposed.data(), a.rows(), false,
           beta, c.data(), c.outerStride());
}

template <class T>
void symmetric_square(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c) {
  check<T>(a, c);
  if (a.rows() != a.cols()) {
    throw ShapeError({.what = "symmetric square",
                      .expected = "a square matrix",
                      .found = to_string(Shape{a.rows(), a.cols()})});
  }
  if (nothing_to_add<T>(a, beta, c)) return;
  tiled<T>(a.rows(), a.rows(), alpha, a.data(), a.outerStride(), a.data(), a.outerStride(), false,
           beta, c.data(), c.outerStride());
}

#define MUONFLOW_INSTANTIATE(T)                                                               \
  template void symmetric_product<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>);           \
  template void symmetric_product<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>, Scratch&); \
  template void symmetric_square<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
