// The polar factor by few rational steps, X <- f_k(... f_1(X)): what QDWH and Zolo-PD share, from
// the scaling of the input to the certificate of the result. See qdwh.hpp and zolotarev.hpp.
//
// Rule for the rank. Singular values up to `support_cutoff` count as 0, as for PolarMethod::svd.
// Where the estimate of the smallest one allows such values, QR with pivoting decides: rows of
// its triangle from the first diagonal entry under the cutoff on are left out, and the result is
// the partial isometry of what is left, so U V^T on the support; zero gives zero. A singular value
// within about a factor sqrt(r) of the cutoff may fall on either side.
#pragma once

#include <cstdint>
#include <optional>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/rational_coefficients.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

struct RationalPolar {
  // A lower bound of s_min / s_max in (0, 1] that the caller knows: the matrix then has full rank
  // by his word and its condition is not estimated. One that is too large costs steps, not
  // accuracy.
  std::optional<double> lower = {};
  std::int64_t max_steps = 50;  // rational and closing ones; beyond, not_converged
  // zolotarev alone: terms a step; absent, as few as two steps can do with.
  std::optional<std::int64_t> terms = {};

  void fields(FieldVisitor& v);
};

struct RationalPolarReport {
  Index rank = 0;             // of the numerical support
  double upper = 0;           // the largest singular value is at most this
  double lower = 0;           // singular values over `upper` started above this
  std::int64_t terms = 0;     // of the first step
  std::int64_t steps = 0;     // rational ones
  std::int64_t qr = 0;        // resolvents by QR
  std::int64_t cholesky = 0;  // resolvents by Cholesky
  std::int64_t products = 0;  // closing steps by products alone
  double flops = 0;           // of steps, 2 a multiply-add
};

// The step-th step (from 0) for singular values in [l, 1], when a gap 1 - l of `closing` is enough.
using RationalStep = OddRational (*)(double l, std::int64_t step, double closing,
                                     const RationalPolar& options);

// x [m, n] <- its polar factor, in place; rows may lie apart. Tall matrices are worked on
// transposed, and rectangular ones through the square factor of a QR factorization. The input is
// divided by a power of two, so entries of 1e-45 or 1e38 (double: 1e-320 or 1e308) do no harm.
//
// The interval: s_max by 8 steps of the power method, times 2, or a norm's bound where that is
// smaller; s_min by 8 steps of inverse iteration on a factorization, over 2. (A
// start with less than 1e-6 of its average share in the sought direction would miss by more than 2;
// then steps are added.) Steps by QR while the condition of I + W W^T exceeds 100, by Cholesky
// after that. Once [l, 1] is [1 - sqrt(u)/2, 1] a step of Newton and Schulz ends it, X (3 I - X^T
// X) / 2, whose product X X^T is also the certificate: convergence is measured, not believed.
//
// Not finite entries: non_finite_input; no convergence in max_steps: not_converged; x is unchanged
// then. Throws ConfigError where an option is out of its range. Same bits for any number of
// threads.
template <class T>
Outcome rational_polar(MatrixRef<T> x, RationalStep next, const RationalPolar& options,
                       Workspace<T>& workspace, RationalPolarReport* report);

}  // namespace muonflow::linalg
