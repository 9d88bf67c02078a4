#include "muonflow/linalg/detail/cholesky.hpp"

#include <cmath>

#include "muonflow/linalg/detail/factorizations.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"

namespace muonflow::linalg::detail {
namespace {

// Our lower triangle by rows is LAPACK's upper by columns.
constexpr char kUpper = 'U';

}  // namespace

template <class T>
bool cholesky_inverse(MatrixRef<T> a) {
  const auto n = static_cast<int>(a.rows());
  const auto stride = static_cast<int>(a.outerStride());
  if (n == 0) return true;
  const OneThread one_thread;
  int info = 0;
  potrf(kUpper, n, a.data(), stride, &info);
  if (info != 0) return false;
  potri(kUpper, n, a.data(), stride, &info);
  if (info != 0) return false;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) a(j, i) = a(i, j);
  }
  return true;
}

Definiteness definiteness(MatrixRef<double> a) {
  const auto n = static_cast<int>(a.rows());
  const auto stride = static_cast<int>(a.outerStride());
  if (n == 0) return {};
  const OneThread one_thread;
  int info = 0;
  potrf(kUpper, n, a.data(), stride, &info);
  if (info != 0) return {};
  trtri(kUpper, n, a.data(), stride, &info);
  if (info != 0) return {};
  Definiteness result;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) result.inverse_trace += a(i, j) * a(i, j);
    result.log_determinant -= 2 * std::log(a(i, i));
  }
  return std::isfinite(result.inverse_trace) ? result : Definiteness{};
}

template bool cholesky_inverse<float>(MatrixRef<float>);
template bool cholesky_inverse<double>(MatrixRef<double>);

}  // namespace muonflow::linalg::detail
