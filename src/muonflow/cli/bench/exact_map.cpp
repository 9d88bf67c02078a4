#include "muonflow/cli/bench/exact_map.hpp"

#include <cmath>
#include <limits>

namespace muonflow::cli {
namespace {

using Column = std::vector<long double>;

long double dot(const Column& a, const Column& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void rotate(Column& a, Column& b, long double c, long double s) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double x = a[i];
    a[i] = c * x - s * b[i];
    b[i] = s * x + c * b[i];
  }
}

}  // namespace

ExactSvd::ExactSvd(const Matrix<double>& a) : rows_(a.rows()), cols_(a.cols()) {
  constexpr long double kOrthogonal = 4 * std::numeric_limits<long double>::epsilon();
  constexpr int kSweeps = 60;
  const auto n = static_cast<std::size_t>(cols_);
  for (Index j = 0; j < cols_; ++j) {
    Column left, right(n, 0.0L);
    for (Index i = 0; i < rows_; ++i) left.push_back(a(i, j));
    right[static_cast<std::size_t>(j)] = 1;
    left_.push_back(std::move(left));
    right_.push_back(std::move(right));
  }
  bool rotated = true;
  for (int sweep = 0; rotated && sweep < kSweeps; ++sweep) {
    rotated = false;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        const long double alpha = dot(left_[p], left_[p]);
        const long double beta = dot(left_[q], left_[q]);
        const long double gamma = dot(left_[p], left_[q]);
        if (std::abs(gamma) <= kOrthogonal * std::sqrt(alpha * beta)) continue;
        rotated = true;
        const long double zeta = (beta - alpha) / (2 * gamma);
        const long double t = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::hypot(1.0L, zeta));
        const long double c = 1 / std::hypot(1.0L, t);
        rotate(left_[p], left_[q], c, c * t);
        rotate(right_[p], right_[q], c, c * t);
      }
    }
  }
}

Matrix<double> ExactSvd::map(const std::function<long double(long double)>& f) const {
  std::vector<Column> sum(static_cast<std::size_t>(rows_),
                          Column(static_cast<std::size_t>(cols_), 0.0L));
  for (std::size_t j = 0; j < left_.size(); ++j) {
    const long double s = std::sqrt(dot(left_[j], left_[j]));
    if (!(s > 0)) continue;
    const long double weight = f(s) / s;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      const long double scaled = weight * left_[j][i];
      for (std::size_t k = 0; k < sum[i].size(); ++k) sum[i][k] += scaled * right_[j][k];
    }
  }
  Matrix<double> result(rows_, cols_);
  for (Index i = 0; i < rows_; ++i) {
    for (Index k = 0; k < cols_; ++k) {
      result(i, k) =
          static_cast<double>(sum[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)]);
    }
  }
  return result;
}

}  // namespace muonflow::cli
