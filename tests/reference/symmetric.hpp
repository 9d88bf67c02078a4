// Symmetric matrices with given eigenvalues, and functions of them by their eigenvectors.
#pragma once

#include <functional>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::reference {

// Q diag(values) Q^T with a random orthogonal Q, symmetric bit for bit.
inline Matrix<double> with_eigenvalues(const std::vector<double>& values, std::uint64_t seed) {
  const auto n = static_cast<Index>(values.size());
  const Matrix<double> q = orthonormal(n, n, seed);
  Matrix<double> a = Matrix<double>::Zero(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) {
      long double sum = 0;
      for (Index k = 0; k < n; ++k) {
        sum += static_cast<long double>(q(i, k)) * values[static_cast<std::size_t>(k)] * q(j, k);
      }
      a(i, j) = a(j, i) = static_cast<double>(sum);
    }
  }
  return a;
}

// Q diag(f(values)) Q^T of a symmetric matrix, from its singular values with the signs that the
// singular vectors give; values apart from each other in size, or of one sign.
inline Matrix<double> map_eigenvalues(const LongSvd& d,
                                      const std::function<long double(long double)>& f) {
  LongMatrix result = LongMatrix::Zero(d.v.rows(), d.v.rows());
  for (std::size_t i = 0; i < d.s.size(); ++i) {
    const auto at = static_cast<Index>(i);
    const long double sign = d.u.col(at).dot(d.v.col(at)) < 0 ? -1 : 1;
    result += f(sign * d.s[i]) * d.v.col(at) * d.v.col(at).transpose();
  }
  return result.cast<double>();
}
inline Matrix<double> map_eigenvalues(const Matrix<double>& a,
                                      const std::function<long double(long double)>& f) {
  return map_eigenvalues(jacobi_svd(a), f);
}

}  // namespace muonflow::reference
