#include "muonflow/linalg/svd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
void copy_scaled(const ConstMatrixRef<T>& a, int shift, T* to) {
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) *to++ = std::ldexp(a(i, j), -shift);
  }
}

// LAPACK stores by columns, so what it sees is a^T = v diag(s) u^T: its left factor is our vt and
// its right factor our u, both already in row-major order. Without vectors u and vt are null.
template <class T>
Outcome decompose(const ConstMatrixRef<T>& a, T* u, T* s, T* vt, Scratch& scratch) {
  const auto m = static_cast<int>(a.cols());  // LAPACK's rows
  const auto n = static_cast<int>(a.rows());
  const int r = std::min(m, n);
  const bool vectors = u != nullptr;
  std::fill_n(s, r, T(0));
  if (vectors) {
    std::fill_n(u, Index{n} * r, T(0));
    std::fill_n(vt, Index{r} * m, T(0));
  }
  if (r == 0) return {};
  if (!all_finite<T>(a)) return {.status = Status::non_finite_input, .changed = false};
  const double largest = max_abs<T>(a);
  const int shift = largest == 0 ? 0 : std::ilogb(largest);

  Scratch::Frame frame(scratch);
  const detail::OneThread one_thread;
  T* const copy = frame.values<T>(a.size()).data();
  copy_scaled<T>(a, shift, copy);
  int* const integers = frame.values<int>(8 * r).data();
  const char job = vectors ? 'S' : 'N';
  int info = 0;
  T size = 0;
  detail::gesdd(job, m, n, copy, m, s, vt, m, u, r, &size, -1, integers, &info);
  auto length = static_cast<int>(size) + 1;
  detail::gesdd(job, m, n, copy, m, s, vt, m, u, r, frame.values<T>(length).data(), length,
                integers, &info);
  if (info > 0) {
    copy_scaled<T>(a, shift, copy);
    detail::gesvd(job, m, n, copy, m, s, vt, m, u, r, &size, -1, &info);
    length = static_cast<int>(size) + 1;
    detail::gesvd(job, m, n, copy, m, s, vt, m, u, r, frame.values<T>(length).data(), length,
                  &info);
  }
  for (int i = 0; i < r; ++i) s[i] = std::ldexp(s[i], shift);
  if (info != 0) return {.status = Status::not_converged};
  // The spectral norm of finite entries may exceed the largest finite number.
  if (!std::isfinite(s[0])) return {.status = Status::non_finite_result};
  return {};
}

}  // namespace

template <class T>
Outcome svd_into(const ConstMatrixRef<T>& a, T* u, T* s, T* vt, Scratch& scratch) {
  return decompose<T>(a, u, s, vt, scratch);
}

template <class T>
Outcome singular_values_into(const ConstMatrixRef<T>& a, T* s, Scratch& scratch) {
  return decompose<T>(a, nullptr, s, nullptr, scratch);
}

template <class T>
Svd<T> svd(const ConstMatrixRef<T>& a) {
  const Index r = std::min(a.rows(), a.cols());
  Svd<T> result{Matrix<T>(a.rows(), r), Vector<T>(r), Matrix<T>(r, a.cols()), {}};
  Scratch scratch;
  result.outcome = svd_into<T>(a, result.u.data(), result.s.data(), result.vt.data(), scratch);
  return result;
}

template <class T>
Vector<T> singular_values(const ConstMatrixRef<T>& a) {
  Vector<T> s(std::min(a.rows(), a.cols()));
  Scratch scratch;
  const auto outcome = singular_values_into<T>(a, s.data(), scratch);
  if (outcome.status == Status::non_finite_input || outcome.status == Status::not_converged) {
    s.setConstant(std::numeric_limits<T>::quiet_NaN());
  }
  return s;
}

#define MUONFLOW_INSTANTIATE(T)                                                     \
  template Outcome svd_into<T>(const ConstMatrixRef<T>&, T*, T*, T*, Scratch&);     \
  template Outcome singular_values_into<T>(const ConstMatrixRef<T>&, T*, Scratch&); \
  template Svd<T> svd<T>(const ConstMatrixRef<T>&);                                 \
  template Vector<T> singular_values<T>(const ConstMatrixRef<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
