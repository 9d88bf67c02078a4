// The polar factor U V^T of a matrix Q = U diag(s) V^T, or what a few polynomial steps make of it:
// Muon's orthogonalization.
//
// The polynomial methods apply an odd quintic p(x) = a x + b x^3 + c x^5 to the singular values
// ns_steps times, with products alone: A = X X^T, X <- (a I + b A + c A^2) X. See coefficients.hpp
// for the tables and their sources; `jordan` never converges to 1 (its values stay in about
// [0.68, 1.13]), by design.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class PolarMethod {
  jordan,         // one triple repeated (K. Jordan 2024)
  polar_express,  // arXiv:2505.16932, raw table, then (1.875, -1.25, 0.375) repeated
  classic,        // (1.875, -1.25, 0.375) repeated
  svd,            // exact, on the numerical support; ns_steps and eps are not used
};

// How eps guards the division by the norm: by norm + eps (Jordan) or by max(norm, eps) (PyTorch).
enum class EpsMode { add, max };

struct Polar {
  PolarMethod method = PolarMethod::jordan;
  std::int64_t ns_steps = 5;
  double eps = 1e-7;
  EpsMode eps_mode = EpsMode::add;

  void fields(FieldVisitor& v);
};

// x [m, n] <- its polar factor by the chosen method, in place; rows may lie apart. Tall matrices
// are worked on transposed. Cost per step, r = min(m, n), N = max(m, n): 3 r^2 N + r^3 flops.
//
// Scale: the norm is taken in double, so entries from 1e-45 to 1e38 are divided rightly; as the
// formula says, an input whose norm is not large against eps comes out shrunk. Zero gives zero.
// Entries that are not finite: Outcome non_finite_input, x unchanged. Where the result would not be
// finite (a user's own steps can diverge only through a defect): non_finite_result, x unchanged.
template <class T>
Outcome polar(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace);

// The exact method, handing the singular values (in double, descending) to `values` on the way.
template <class T>
Outcome polar_with_values(MatrixRef<T> x, Workspace<T>& workspace,
                          const std::function<void(std::span<const double> s)>& values);

// Singular values of an [m, n] matrix of scalar type T that are not larger than this count as 0:
// for float (decomposed in double) the rounding of its entries, epsilon ||x||_F; for double
// LAPACK's own error, max(m, n) epsilon s_max.
template <class T>
double support_cutoff(Index rows, Index cols, double s_max, double norm);

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::PolarMethod> {
  static constexpr std::array<std::string_view, 4> names{"jordan", "polar_express", "classic",
                                                         "svd"};
};
template <>
struct muonflow::EnumNames<muonflow::linalg::EpsMode> {
  static constexpr std::array<std::string_view, 2> names{"add", "max"};
};
