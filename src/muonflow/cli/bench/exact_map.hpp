// Functions of singular values in extended precision: what the errors of methods in double are
// measured against. By Jacobi's one-sided rotations, slow and accurate for small singular values
// too; at condition 1e8 an SVD in double would itself be wrong by 1e-8.
#pragma once

#include <functional>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow::cli {

class ExactSvd {
 public:
  // a [m, n]; about 10 sweeps of 6 m n^2 operations in long double.
  explicit ExactSvd(const Matrix<double>& a);

  // U diag(f(s)) V^T, rounded to double.
  Matrix<double> map(const std::function<long double(long double)>& f) const;

 private:
  Index rows_, cols_;
  std::vector<std::vector<long double>> left_;   // columns of U diag(s)
  std::vector<std::vector<long double>> right_;  // columns of V
};

}  // namespace muonflow::cli
