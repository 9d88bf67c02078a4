// Slow twins of everything that acts on singular values: Jacobi's one-sided SVD in long double,
// whose small singular values are as accurate as its large ones, and functions on them.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow::reference {

using LongMatrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

struct LongSvd {
  LongMatrix u;                // [m, r]
  std::vector<long double> s;  // descending
  LongMatrix v;                // [n, r]
};

inline LongSvd jacobi_svd(const Matrix<double>& a) {
  const bool wide = a.rows() < a.cols();
  LongMatrix x = a.cast<long double>();
  if (wide) x = a.transpose().cast<long double>();
  const long double scale = x.size() > 0 ? x.cwiseAbs().maxCoeff() : 0;
  if (scale > 0) x /= scale;
  const Index n = x.cols();
  LongMatrix v = LongMatrix::Identity(n, n);
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (Index p = 0; p < n; ++p) {
      for (Index q = p + 1; q < n; ++q) {
        const long double alpha = x.col(p).squaredNorm();
        const long double beta = x.col(q).squaredNorm();
        const long double gamma = x.col(p).dot(x.col(q));
        if (std::abs(gamma) <= 1e-19L * std::sqrt(alpha * beta)) continue;
        rotated = true;
        const long double zeta = (beta - alpha) / (2 * gamma);
        const long double t = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const long double c = 1 / std::sqrt(1 + t * t);
        const long double s = c * t;
        for (LongMatrix* m : {&x, &v}) {
          const Eigen::Matrix<long double, Eigen::Dynamic, 1> xp = m->col(p);
          m->col(p) = c * xp - s * m->col(q);
          m->col(q) = s * xp + c * m->col(q);
        }
      }
    }
    if (!rotated) break;
  }
  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Index{0});
  std::vector<long double> norms(order.size());
  for (Index i = 0; i < n; ++i) norms[static_cast<std::size_t>(i)] = x.col(i).norm();
  std::sort(order.begin(), order.end(), [&](Index i, Index j) {
    return norms[static_cast<std::size_t>(i)] > norms[static_cast<std::size_t>(j)];
  });
  LongSvd f{LongMatrix::Zero(x.rows(), n), {}, LongMatrix::Zero(n, n)};
  for (Index i = 0; i < n; ++i) {
    const Index from = order[static_cast<std::size_t>(i)];
    const long double s = norms[static_cast<std::size_t>(from)];
    f.s.push_back(s * scale);
    if (s > 0) f.u.col(i) = x.col(from) / s;
    f.v.col(i) = v.col(from);
  }
  if (wide) std::swap(f.u, f.v);
  return f;
}

// U diag(f(s)) V^T.
inline Matrix<double> map_singular_values(const LongSvd& d,
                                          const std::function<long double(long double)>& f) {
  LongMatrix result = LongMatrix::Zero(d.u.rows(), d.v.rows());
  for (std::size_t i = 0; i < d.s.size(); ++i) {
    const auto at = static_cast<Index>(i);
    result += f(d.s[i]) * d.u.col(at) * d.v.col(at).transpose();
  }
  return result.cast<double>();
}
inline Matrix<double> map_singular_values(const Matrix<double>& a,
                                          const std::function<long double(long double)>& f) {
  return map_singular_values(jacobi_svd(a), f);
}

// The polar factor on the singular values above `cutoff`.
inline Matrix<double> polar(const Matrix<double>& a, double cutoff) {
  return map_singular_values(a, [=](long double s) -> long double { return s > cutoff ? 1 : 0; });
}

template <class MatrixOrSvd>
Matrix<double> regularized_polar(const MatrixOrSvd& a, double epsilon) {
  return map_singular_values(a, [=](long double s) -> long double {
    return s > 0 ? s / std::hypot(s, static_cast<long double>(epsilon)) : 0;
  });
}

}  // namespace muonflow::reference
