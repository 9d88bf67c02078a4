#include "muonflow/linalg/detail/cholesky.hpp"

#include <cmath>
#include <cstddef>

#include "muonflow/linalg/detail/one_thread.hpp"

extern "C" {
void spotrf_(const char*, const int*, float*, const int*, int*, std::size_t);
void dpotrf_(const char*, const int*, double*, const int*, int*, std::size_t);
void spotri_(const char*, const int*, float*, const int*, int*, std::size_t);
void dpotri_(const char*, const int*, double*, const int*, int*, std::size_t);
void dtrtri_(const char*, const char*, const int*, double*, const int*, int*, std::size_t,
             std::size_t);
}

namespace muonflow::linalg::detail {
namespace {

// Our lower triangle by rows is LAPACK's upper by columns.
constexpr char kUpper = 'U';
constexpr char kNonUnit = 'N';

int potrf(int n, float* a, int lda) {
  int info = 0;
  spotrf_(&kUpper, &n, a, &lda, &info, 1);
  return info;
}
int potrf(int n, double* a, int lda) {
  int info = 0;
  dpotrf_(&kUpper, &n, a, &lda, &info, 1);
  return info;
}
int potri(int n, float* a, int lda) {
  int info = 0;
  spotri_(&kUpper, &n, a, &lda, &info, 1);
  return info;
}
int potri(int n, double* a, int lda) {
  int info = 0;
  dpotri_(&kUpper, &n, a, &lda, &info, 1);
  return info;
}

}  // namespace

template <class T>
bool cholesky_inverse(MatrixRef<T> a) {
  const auto n = static_cast<int>(a.rows());
  const auto stride = static_cast<int>(a.outerStride());
  if (n == 0) return true;
  const OneThread one_thread;
  if (potrf(n, a.data(), stride) != 0 || potri(n, a.data(), stride) != 0) return false;
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
  if (potrf(n, a.data(), stride) != 0) return {};
  dtrtri_(&kUpper, &kNonUnit, &n, a.data(), &stride, &info, 1, 1);
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
