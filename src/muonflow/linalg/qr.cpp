#include "muonflow/linalg/qr.hpp"

#include <algorithm>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/householder.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

// By columns LAPACK sees a^T; its a^T = l q' is our a = q'^T l^T, and q' by columns is our q by
// rows. a [m, n] contiguous becomes l^T and the reflectors.
template <class T>
void factor(int m, int n, T* a, T* tau, Scratch::Frame& frame) {
  int info = 0;
  T size = 0;
  detail::gelqf(n, m, a, n, tau, &size, -1, &info);
  const int length = static_cast<int>(size) + 1;
  detail::gelqf(n, m, a, n, tau, frame.values<T>(length).data(), length, &info);
}

// q [m, r] contiguous holds the reflectors in its rows and becomes the orthonormal columns.
template <class T>
void assemble(int m, int r, T* q, const T* tau, Scratch::Frame& frame) {
  int info = 0;
  T size = 0;
  detail::orglq(r, m, r, q, r, tau, &size, -1, &info);
  const int length = static_cast<int>(size) + 1;
  detail::orglq(r, m, r, q, r, tau, frame.values<T>(length).data(), length, &info);
}

}  // namespace

template <class T>
Qr<T> qr(const ConstMatrixRef<T>& a) {
  const auto m = static_cast<int>(a.rows());
  const auto n = static_cast<int>(a.cols());
  const int r = std::min(m, n);
  Qr<T> result{Matrix<T>::Zero(m, r), Matrix<T>::Zero(r, n), {}};
  if (r == 0) return result;
  if (!all_finite<T>(a)) {
    result.outcome = {.status = Status::non_finite_input, .changed = false};
    return result;
  }
  const detail::OneThread one_thread;
  Scratch scratch;
  Scratch::Frame frame(scratch);
  Matrix<T> copy = a;
  T* const tau = frame.values<T>(r).data();
  factor<T>(m, n, copy.data(), tau, frame);
  for (Index i = 0; i < r; ++i) {
    for (Index j = i; j < n; ++j) result.r(i, j) = copy(i, j);
  }
  // Row i of the r reflectors is column i of `copy`, of which only the first r entries of each row
  // matter for q.
  result.q = copy.leftCols(r);
  assemble<T>(m, r, result.q.data(), tau, frame);
  for (Index i = 0; i < r; ++i) {
    if (result.r(i, i) >= 0) continue;
    result.r.row(i) = -result.r.row(i);
    result.q.col(i) = -result.q.col(i);
  }
  if (!all_finite<T>(result.q) || !all_finite<T>(result.r)) {
    result.outcome = {.status = Status::non_finite_result};
  }
  return result;
}

template <class T>
Outcome orthonormalize(MatrixRef<T> x, Scratch& scratch) {
  const auto m = static_cast<int>(x.rows());
  const auto n = static_cast<int>(x.cols());
  if (m < n) {
    throw ShapeError({.what = "orthonormalize",
                      .expected = "at least as many rows as columns",
                      .found = to_string(Shape{x.rows(), x.cols()})});
  }
  if (n == 0) return {};
  if (!all_finite<T>(x)) return {.status = Status::non_finite_input, .changed = false};
  Scratch::Frame frame(scratch);
  auto q = frame.matrix<T>(m, n);
  auto flips = frame.matrix<T>(1, n);
  T* const tau = frame.values<T>(n).data();
  q = x;
  if (n >= detail::kWorthBlocks) {
    detail::orthonormal_factor<T>(q, scratch);
    if (!all_finite<T>(q)) return {.status = Status::non_finite_result, .changed = false};
    x = q;
    return {};
  }
  const detail::OneThread one_thread;
  factor<T>(m, n, q.data(), tau, frame);
  for (Index i = 0; i < n; ++i) flips(0, i) = q(i, i) < 0 ? T(-1) : T(1);
  assemble<T>(m, n, q.data(), tau, frame);
  if (!all_finite<T>(q)) return {.status = Status::non_finite_result, .changed = false};
  for (Index i = 0; i < m; ++i) x.row(i) = q.row(i).cwiseProduct(flips);
  return {};
}

#define MUONFLOW_INSTANTIATE(T)                   \
  template Qr<T> qr<T>(const ConstMatrixRef<T>&); \
  template Outcome orthonormalize<T>(MatrixRef<T>, Scratch&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
