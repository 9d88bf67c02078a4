// Matrices for tests: random ones, ones with given singular values, and ones whose rows lie apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::reference {

inline Matrix<double> gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed, 77);
  Matrix<double> a(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) a(i, j) = rng.normal();
  }
  return a;
}

// Orthonormal columns [rows, cols], rows >= cols: Gram and Schmidt, each column twice.
inline Matrix<double> orthonormal(Index rows, Index cols, std::uint64_t seed) {
  Matrix<double> q = gaussian(rows, cols, seed);
  for (Index j = 0; j < cols; ++j) {
    for (int pass = 0; pass < 2; ++pass) {
      for (Index l = 0; l < j; ++l) q.col(j) -= q.col(l).dot(q.col(j)) * q.col(l);
    }
    q.col(j) /= q.col(j).norm();
  }
  return q;
}

// U diag(s) V^T with random orthonormal factors; s has min(rows, cols) values.
inline Matrix<double> with_spectrum(Index rows, Index cols, const std::vector<double>& s,
                                    std::uint64_t seed) {
  const Index r = std::min(rows, cols);
  Matrix<double> u = orthonormal(rows, r, seed);
  const Matrix<double> v = orthonormal(cols, r, seed + 1);
  for (Index i = 0; i < r; ++i) u.col(i) *= s[static_cast<std::size_t>(i)];
  Matrix<double> a = Matrix<double>::Zero(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index l = 0; l < r; ++l) a.row(i) += u(i, l) * v.col(l).transpose();
  }
  return a;
}

// From 1 down to 1 / condition, evenly in the logarithm.
inline std::vector<double> geometric(Index count, double condition) {
  std::vector<double> s(static_cast<std::size_t>(count), 1.0);
  for (Index i = 1; i < count; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(count - 1);
    s[static_cast<std::size_t>(i)] = std::pow(condition, -t);
  }
  return s;
}

// A copy whose rows lie `gap` elements apart; the gaps hold NaN and must still hold it afterwards.
template <class T>
class Strided {
 public:
  Strided(const Matrix<T>& a, Index gap)
      : rows_(a.rows()),
        cols_(a.cols()),
        storage_(
            Matrix<T>::Constant(a.rows(), a.cols() + gap, std::numeric_limits<T>::quiet_NaN())) {
    storage_.leftCols(cols_) = a;
  }
  MatrixMap<T> ref() {
    return MatrixMap<T>(storage_.data(), rows_, cols_, Eigen::OuterStride<>(storage_.cols()));
  }
  Matrix<T> values() const { return storage_.leftCols(cols_); }
  bool gaps_untouched() const {
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = cols_; j < storage_.cols(); ++j) {
        if (!std::isnan(storage_(i, j))) return false;
      }
    }
    return true;
  }

 private:
  Index rows_;
  Index cols_;
  Matrix<T> storage_;
};

// 1 x n, n x 1, m < n, m = n, m > n, aspect 64, and sizes that cross tiles and panels.
inline std::vector<std::pair<Index, Index>> shapes() {
  return {{1, 1},   {1, 17},  {17, 1},  {2, 3},   {5, 9},   {8, 8},   {9, 5},
          {4, 256}, {256, 4}, {33, 47}, {50, 50}, {66, 80}, {80, 66}, {3, 192}};
}

inline double distance(const Matrix<double>& a, const Matrix<double>& b) { return (a - b).norm(); }

}  // namespace muonflow::reference
