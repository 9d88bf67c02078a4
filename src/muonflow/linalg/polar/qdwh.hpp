// The polar factor by QDWH, the dynamically weighted Halley iteration: backward stable, at most six
// steps for any condition, in factorizations and products alone (Y. Nakatsukasa, Z. Bai, F. Gygi,
// SIAM J. Matrix Anal. Appl. 31, 2010; stability: Y. Nakatsukasa, N. Higham, same journal 33,
// 2012).
//
// X <- X (a I + b X^T X) (I + c X^T X)^-1 with a, b, c the best for the interval that the singular
// values still fill: the condition falls from 1e16 to 1 + 1e-12 in five steps.
#pragma once

#include "muonflow/linalg/polar/rational.hpp"

namespace muonflow::linalg {

// In place; see rational_polar for the rule of the rank, scaling and outcomes. Error: orthogonality
// and backward error ||X - U H|| / ||X|| of a few roundings; U itself is as well determined as its
// condition, s_max / (sum of the two smallest singular values; smallest where x is rectangular),
// allows. About (8 steps by QR + 10/3 steps by Cholesky + 2/3) r^3 flops, and 8 N r^2 more where N
// > r.
template <class T>
Outcome qdwh(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
             RationalPolarReport* report = nullptr);

// The polar decomposition: x <- U as above and h [r, r], r = min(m, n), <- its symmetric positive
// semidefinite factor up to roundoff: x = U h for m >= n, x = h U else. The trace of h is the
// nuclear norm of x. Throws ShapeError where h has another size; h is unchanged when the outcome is
// not ok.
template <class T>
Outcome polar_with_hermitian(MatrixRef<T> x, MatrixRef<T> h, const RationalPolar& options,
                             Workspace<T>& workspace);

}  // namespace muonflow::linalg
