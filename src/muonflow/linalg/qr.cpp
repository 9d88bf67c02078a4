#include "muonflow/linalg/qr.hpp"

#include <algorithm>
#include <vector>

#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {

// By columns LAPACK sees a^T; its a^T = l q' is our a = q'^T l^T, and q' by columns is our q by
// rows.
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
  Matrix<T> copy = a;
  std::vector<T> tau(static_cast<std::size_t>(r));
  int info = 0;
  T size = 0;
  detail::gelqf(n, m, copy.data(), n, tau.data(), &size, -1, &info);
  std::vector<T> work(static_cast<std::size_t>(size) + 1);
  detail::gelqf(n, m, copy.data(), n, tau.data(), work.data(), static_cast<int>(work.size()),
                &info);
  for (Index i = 0; i < r; ++i) {
    for (Index j = i; j < n; ++j) result.r(i, j) = copy(i, j);
  }
  // Row i of the r reflectors is column i of `copy`, of which only the first r entries of each row
  // matter for q.
  result.q = copy.leftCols(r);
  detail::orglq(r, m, r, result.q.data(), r, tau.data(), &size, -1, &info);
  work.resize(std::max(work.size(), static_cast<std::size_t>(size) + 1));
  detail::orglq(r, m, r, result.q.data(), r, tau.data(), work.data(), static_cast<int>(work.size()),
                &info);
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

template Qr<float> qr<float>(const ConstMatrixRef<float>&);
template Qr<double> qr<double>(const ConstMatrixRef<double>&);

}  // namespace muonflow::linalg
