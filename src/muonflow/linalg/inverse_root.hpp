// Inverse p-th root of a symmetric positive semidefinite matrix, c^(-1/p): the preconditioner of
// Shampoo (p = 4, or 2), of ASGO (p = 2, arXiv:2503.20762) and of their relatives.
//
// Everything is computed in double, for float input too: an eigenvalue that is 1e-k of the largest
// is known to 10^k u, which in float is nothing left at 1e-7. For the same reason a matrix C = G
// G^T rounded to float has lost the singular values of G below 3e-4 of the largest, whatever is
// done with it afterwards: where s_min / s_max of 1e-4 matters, form C in double and take
// inverse_root<double>, or hand G to spectral_power.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Times relative to eigh, measured interleaved in double on two cores shared with other work (eigh
// on one thread, products on both), OpenBLAS 0.3.21 on an AVX-512 machine; condition 1e4 and, after
// the comma, 1e8:
//   n              64         128        256        512
//   newton   p 2   1.2, 1.8   2.3, 5.8   2.6, 3.9   3.4, 5.3     7 to 11 steps
//            p 4   1.2, 1.9   2.1, 2.2   3.3, 4.0   3.6, 6.3     7 to 10
//   rational p 2   1.1, 1.3   1.6, 4.4   1.6, 2.5   2.0, 3.0     4, 5
//            p 4   1.2, 1.5   2.2, 1.9   2.2, 2.9   3.2, 3.5     4, 5
// with errors of all three alike, 1e-13 and 1e-9 of the norm. The same products in float leave 4e-5
// to 2e-4 at a condition of 1e4 and nothing at 1e8, and LAPACK in float takes a fifth to two thirds
// of eigh's time for eigenvalues that are noise below 1e-6 of the largest: hence double. The
// iterations are for where products are cheap and LAPACK is not.
enum class InverseRootMethod {
  automatic,  // eigh: see above
  eigh,       // eigendecomposition (LAPACK); any p, any rank
  newton,     // coupled polynomial iteration of Newton's type, order 3: products alone
  rational,   // coupled (1, 1) iteration, QDWH's for p = 2: an inverse a step
};

enum class RidgeMode { absolute, relative };  // relative: times the largest eigenvalue of c

// Rule for what is not positive, the same for all methods: with a ridge, eigenvalues are raised to
// 0 where rounding has made them negative and the ridge is added; without one, those not above
// cutoff times the largest count as 0 and so do their powers (the pseudo-inverse).
struct InverseRoot {
  InverseRootMethod method = InverseRootMethod::automatic;
  double p = 2;
  double ridge = 0;
  RidgeMode ridge_mode = RidgeMode::absolute;
  std::optional<double> cutoff = {};  // off: n times the machine epsilon of the matrix's type

  void fields(FieldVisitor& v);
};

// What a call did. Bounds and residual are those of the matrix with its ridge.
struct InverseRootReport {
  InverseRootMethod method = InverseRootMethod::eigh;  // that was used in the end
  Index iterations = 0;                                // 0 for eigh
  Index rank = 0;                                      // eigenvalues that were not counted as 0
  double lower = 0;  // the eigenvalues lie in [lower, upper]: exact ends for eigh (of those kept),
  double upper = 0;  // proven bounds (1 / tr(c^(-1)) and a norm) for the iterations
  // ||x^p c - I||_F / sqrt(n) of x before its rounding to T, estimated by four random signs (16%
  // standard deviation at worst), whole p up to 64 only. A lost direction counts as 1 / sqrt(n).
  std::optional<double> residual = {};
};

// c [n, n] <- (c + ridge I)^(-1/p), in place; its lower triangle is read, both are written; rows
// may lie apart. Error relative to ||c^(-1/p)||: about u_double upper / lower and one rounding to
// T, below 1e-6 down to eigenvalue ratios of 1e-10. By eigh the directions of large eigenvalues,
// where the root is small, are as good; by the iterations they carry up to 1e-7 of themselves at a
// ratio of 1e-8 and 3e-5 at 1e-10 (p = 2; less for p = 4).
//
// The iterations need a positive definite c and a whole p (newton from 1, rational from 2): their
// interval is [1 / tr(c^(-1)), ||c||], proven by a Cholesky factorization; a ridge enters it with
// the matrix. Where that fails, or its lower end is below the cutoff or n u_double of the upper,
// eigh does the work, and the report says so.
//
// Flops: eigh about 9 n^3; a newton step 4 n^3 (p = 2) or 5 n^3 (p = 4), a rational one n^3 more.
// Same bits for any number of threads. Zero gives zero without a ridge. Entries that are not finite
// (in the lower triangle): non_finite_input; a result that T cannot hold: non_finite_result; LAPACK
// without convergence: not_converged; c is unchanged in all three. Throws ShapeError for a matrix
// that is not square, ConfigError for options out of range.
template <class T>
Outcome inverse_root(MatrixRef<T> c, const InverseRoot& options, Workspace<T>& workspace,
                     InverseRootReport* report = nullptr);

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::InverseRootMethod> {
  static constexpr std::array<std::string_view, 4> names{"automatic", "eigh", "newton", "rational"};
};
template <>
struct muonflow::EnumNames<muonflow::linalg::RidgeMode> {
  static constexpr std::array<std::string_view, 2> names{"absolute", "relative"};
};
