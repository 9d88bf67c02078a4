#include "muonflow/linalg/symmetric.hpp"

#include <algorithm>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/detail/symmetric_tiles.hpp"
#include "muonflow/linalg/detail/transpose.hpp"

namespace muonflow::linalg {
namespace {

// Tiles of even width, at least three a side: two would leave one of two threads idle.
template <class T>
Index even_width(Index m) {
  if (m <= 64) return std::max<Index>(m, 1);
  const Index tiles =
      std::max<Index>(3, (m + detail::tile_width<T>(m) - 1) / detail::tile_width<T>(m));
  return ((m + tiles - 1) / tiles + 15) / 16 * 16;
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
  detail::symmetric_tiles<T>(a.rows(), a.cols(), alpha, a.data(), a.outerStride(), a.data(),
                             a.outerStride(), true, beta, c.data(), c.outerStride(),
                             even_width<T>(a.rows()));
}

template <class T>
void symmetric_product(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c,
                       Scratch& scratch) {
  check<T>(a, c);
  if (nothing_to_add<T>(a, beta, c)) return;
  Scratch::Frame frame(scratch);
  MatrixMap<T> transposed = frame.matrix<T>(a.cols(), a.rows());
  detail::transpose<T>(a.rows(), a.cols(), a.data(), a.outerStride(), transposed.data(), a.rows());
  detail::symmetric_tiles<T>(a.rows(), a.cols(), alpha, a.data(), a.outerStride(),
                             transposed.data(), a.rows(), false, beta, c.data(), c.outerStride(),
                             even_width<T>(a.rows()));
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
  detail::symmetric_tiles<T>(a.rows(), a.rows(), alpha, a.data(), a.outerStride(), a.data(),
                             a.outerStride(), false, beta, c.data(), c.outerStride(),
                             even_width<T>(a.rows()));
}

#define MUONFLOW_INSTANTIATE(T)                                                               \
  template void symmetric_product<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>);           \
  template void symmetric_product<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>, Scratch&); \
  template void symmetric_square<T>(T, const ConstMatrixRef<T>&, T, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
