// The polar factor U V^T of a matrix Q = U diag(s) V^T, or what a few polynomial steps make of it:
// Muon's orthogonalization.
//
// The polynomial methods apply odd polynomials p(x) = a x + b x^3 + c x^5 to the singular values
// ns_steps times, with products alone (polar/newton_schulz.hpp). See coefficients.hpp for the
// tables, their sources and what follows their last entry; `jordan` never converges to 1 (its
// values stay in about [0.68, 1.13]), by design.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/polar/newton_schulz.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class PolarMethod {
  jordan,               // one triple repeated (K. Jordan 2024)
  you,                  // Jiacheng You's five triples
  polar_express,        // arXiv:2505.16932, raw table
  polar_express_paper,  // the same with safety 1.01 on all but the last step
  polar_express_dion,   // baked with safety 1.02; the input is divided by 1.02 norm + eps
  turbo,                // arXiv:2512.04632: rows scaled (AOL), then four triples; biased
  cans,                 // arXiv:2506.10935: cubics in closed form on [1e-3, 1]
  classic,              // (1.875, -1.25, 0.375) repeated
  qdwh,                 // rational steps, backward stable, on the support (polar/qdwh.hpp)
  zolotarev,            // the same in two steps of several terms (polar/zolotarev.hpp)
  svd,                  // exact, on the numerical support
};
// qdwh, zolotarev and svd give the polar factor itself: ns_steps and eps are not used.
constexpr bool is_exact(PolarMethod method) { return method >= PolarMethod::qdwh; }

// How eps guards the division by the norm: by norm + eps (Jordan) or by max(norm, eps) (PyTorch).
enum class EpsMode { add, max };

struct Polar {
  PolarMethod method = PolarMethod::jordan;
  std::optional<std::int64_t> ns_steps = std::nullopt;  // unset: 5, for turbo 4
  double eps = 1e-7;  // turbo, whose rows are scaled by their own size, has no use for it
  EpsMode eps_mode = EpsMode::add;
  // Steps of the user's own (minimax.hpp computes some) in place of a polynomial method's.
  std::vector<OddPolynomial> steps{};
  Formulation formulation = Formulation::automatic;

  void fields(FieldVisitor& v);  // polar, ns_steps, eps, eps_mode
  bool polynomial() const { return !steps.empty() || !is_exact(method); }
  // Number of steps that a polynomial method takes, and the t-th of them (from 0).
  std::int64_t step_count() const;
  OddPolynomial step(std::int64_t t) const;
};

// x [m, n] <- its polar factor by the chosen method, in place; rows may lie apart. Tall matrices
// are worked on transposed. Cost of a quintic step, r = min(m, n), N = max(m, n): 3 r^2 N + r^3
// flops directly, 4 r^3 by Gram matrices, which is chosen for N >= 1.25 r.
//
// Scale: the norm is taken in double, so entries from 1e-45 to 1e38 are divided rightly; as the
// formula says, an input whose norm is not large against eps comes out shrunk. Zero gives zero.
// Entries that are not finite: Outcome non_finite_input, x unchanged. Where the result would not be
// finite (a user's own steps can diverge only through a defect): non_finite_result, x unchanged.
template <class T>
Outcome polar(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace,
              IterationReport* report = nullptr);

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
  static constexpr std::array<std::string_view, 11> names{"jordan",
                                                          "you",
                                                          "polar_express",
                                                          "polar_express.paper",
                                                          "polar_express.dion",
                                                          "turbo",
                                                          "cans",
                                                          "classic",
                                                          "qdwh",
                                                          "zolotarev",
                                                          "svd"};
};
template <>
struct muonflow::EnumNames<muonflow::linalg::EpsMode> {
  static constexpr std::array<std::string_view, 2> names{"add", "max"};
};
