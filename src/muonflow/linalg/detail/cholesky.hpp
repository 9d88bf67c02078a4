// Cholesky factorization and inverses of symmetric positive definite matrices, by LAPACK on one
// thread.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// a [n, n] (its lower triangle is read) <- a^(-1), both triangles, mirror images bit for bit. False
// where a is not positive definite to working accuracy; a is then destroyed. n^3 flops.
template <class T>
bool cholesky_inverse(MatrixRef<T> a);

// tr(a^(-1)) = ||L^(-1)||_F^2 for a = L L^T, so that 1 / it bounds the smallest eigenvalue from
// below and n / it from above, and log det a.
struct Definiteness {
  double inverse_trace = 0;  // 0 where a is not positive definite to working accuracy
  double log_determinant = 0;
};

// a [n, n] (its lower triangle is read) is destroyed. 2/3 n^3 flops.
Definiteness definiteness(MatrixRef<double> a);

}  // namespace muonflow::linalg::detail
