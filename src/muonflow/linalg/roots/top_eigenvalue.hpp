// The largest eigenvalue of a symmetric matrix by Lanczos' method, for thresholds relative to it.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Of a symmetric positive semidefinite a [n, n], from below; the start is the same for every call,
// the basis is orthogonalized in full, and it stops when four more steps change less than 1e-9 of
// the value (the error is then of that order where the top is separated from the rest) or after 128
// steps. 2 k n^2 + 4 k^2 n flops for k steps, k mostly 12 to 40. Same bits for any number of
// threads.
double top_eigenvalue(const ConstMatrixRef<double>& a, Scratch& scratch);

}  // namespace muonflow::linalg
