// Bounds of the eigenvalues of a symmetric matrix, proven by a factorization rather than guessed:
// what the steps of an iteration for its inverse root are made for.
#pragma once

#include <optional>

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

struct RootInterval {
  double lower = 0;            // 1 / tr(a^(-1)): between lambda_min / n and lambda_min
  double upper = 0;            // the smaller of the Frobenius and the largest row sum norm
  double log_determinant = 0;  // of a
};

// Of a symmetric a [n, n], which is destroyed. None where a is not positive definite to working
// accuracy or lower is not above least times upper. 2/3 n^3 flops on one thread.
std::optional<RootInterval> root_interval(MatrixRef<double> a, double least);

}  // namespace muonflow::linalg
