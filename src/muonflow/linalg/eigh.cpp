#include "muonflow/linalg/eigh.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {

template <class T>
Outcome eigh_in_place(MatrixRef<T> a, T* values, Scratch& scratch) {
  if (a.rows() != a.cols()) {
    throw ShapeError({.what = "symmetric eigendecomposition",
                      .expected = "a square matrix",
                      .found = to_string(Shape{a.rows(), a.cols()})});
  }
  const auto n = static_cast<int>(a.rows());
  std::fill_n(values, n, T(0));
  if (n == 0) return {};
  T largest = 0;
  bool finite = true;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) {
      largest = std::max(largest, std::abs(a(i, j)));
      finite = finite && std::isfinite(a(i, j));
    }
  }
  if (!finite) return {.status = Status::non_finite_input, .changed = false};
  const int shift = largest == 0 ? 0 : std::ilogb(largest);
  if (shift != 0) {
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j <= i; ++j) a(i, j) = std::ldexp(a(i, j), -shift);
    }
  }
  Scratch::Frame frame(scratch);
  const detail::OneThread one_thread;
  const int length = 1 + 6 * n + 2 * n * n;
  const int integers = 3 + 5 * n;
  int info = 0;
  // Our lower triangle by rows is LAPACK's upper by columns; its columns are our rows.
  detail::syevd('V', 'U', n, a.data(), static_cast<int>(a.outerStride()), values,
                frame.values<T>(length).data(), length, frame.values<int>(integers).data(),
                integers, &info);
  for (int i = 0; i < n; ++i) values[i] = std::ldexp(values[i], shift);
  if (info != 0) return {.status = Status::not_converged};
  if (!std::isfinite(values[0]) || !std::isfinite(values[n - 1])) {
    return {.status = Status::non_finite_result};
  }
  return {};
}

template <class T>
Eigh<T> eigh(const ConstMatrixRef<T>& a) {
  Eigh<T> result{Vector<T>(a.rows()), a, {}};
  Scratch scratch;
  result.outcome = eigh_in_place<T>(result.vectors, result.values.data(), scratch);
  if (result.outcome.status == Status::non_finite_input) {
    result.vectors.setZero();
  } else {
    result.vectors.transposeInPlace();
  }
  return result;
}

#define MUONFLOW_INSTANTIATE(T)                                  \
  template Outcome eigh_in_place<T>(MatrixRef<T>, T*, Scratch&); \
  template Eigh<T> eigh<T>(const ConstMatrixRef<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
