// Odd polynomial steps on the singular values of a matrix, by products alone.
//
// With wide X [m, n] (tall ones are taken as their transpose), A = X X^T and one step
// p(x) = x s(x^2), a step is X <- s(A) X. Two formulations of the same map:
//
//   direct  A = X X^T, then X <- s(A) X: an error is forgotten by the next step.
//   gram    only [m, m] matrices are iterated: Q <- Q s(A), A <- A s(A)^2, and X <- Q X at the end;
//           cheaper for n > m, since every product is symmetric and costs half. But A carries the
//           rounding of X X^T, u |A|, and Q amplifies it to u |A_0| |Q|^2. That number is measured
//           as the steps go, and before it would pass the tolerance X <- Q X is formed and A anew
//           from it: a restart. Well-conditioned matrices need none.
//
// Which of them, by which engine: linalg/plan.hpp. Every symmetric product computes one triangle
// (detail/panel_product.hpp). The regularized polar
// map is the same iteration on [x, epsilon I], whose right block stays a multiple of Q:
// A = X X^T + shift^2 Q^2 (arXiv:2605.23871 for the map).
#pragma once

#include <cstdint>
#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/plan.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// How an iteration went.
struct IterationReport {
  Engine engine = Engine::panels;
  Formulation formulation = Formulation::direct;
  int restarts = 0;  // of the gram formulation
  double flops = 0;  // done, 2 a multiply-add, symmetric products at half
  int steps = 0;
  double inverse_root_trace = 0;  // regularized map: tr (x x^T + epsilon^2 I)^(-1/2), wide x
};

// The polynomials: given, or made to measure for the regularized map, whose interval is known.
struct NewtonSchulz {
  std::span<const OddPolynomial> steps{};  // each of at least two terms; empty: made to measure
  double divisor = 1;                      // x is divided by it; positive
  bool almost_orthogonal = false;          // rows are scaled first: see scale_rows in the .cpp
  double shift = 0;                        // epsilon / divisor of the regularized map, or 0
  // Made to measure: |A| <= 1 at the divisor, and the smallest eigenvalue of A is shift^2 > 0. The
  // steps bring every singular value to within `error` of 1.
  double error = 0;
  Formulation formulation = Formulation::automatic;
  // What rounding may be amplified to in A, relative; 0: 512 u.
  double tolerance = 0;
};

// x [m, n] <- the composition of the steps applied to x / divisor, in place; rows may lie apart.
// The caller has seen to it that x is finite. A result that is not finite: non_finite_result, x
// unchanged. Same bits for any number of threads.
template <class T>
Outcome newton_schulz(MatrixRef<T> x, const NewtonSchulz& iteration, Scratch& scratch,
                      IterationReport* report = nullptr);

}  // namespace muonflow::linalg
