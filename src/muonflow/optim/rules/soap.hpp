// SOAP: Adam in the eigenbasis of Shampoo's preconditioner.
//
//   (1)  M_t = beta1 M_{t-1} + (1 - beta1) QL' G_t QR
//   (2)  V_t = beta2 V_{t-1} + (1 - beta2) (QL' G_t QR)^2
//   (3)  D_t = b QL [ M_t / (sqrt(V_t) + eps) ] QR'                    W <- W - lr D_t
//        b = sqrt(1 - beta2^t) / (1 - beta1^t)  if correct_bias, else 1; t from 1
//   (4)  L_t = beta L_{t-1} + (1 - beta) G_t G_t',  R_t with G_t' G_t  after the step
//   (5)  every precondition_frequency steps, after (4): columns of QL sorted by the diagonal of
//        QL' L QL, descending; rows of V with them; QL <- orthonormal factor of L QL; likewise QR;
//        M is turned from the old bases to the new
//   (0)  the step before the first: (4), then QL, QR the eigenbases of L, R; W stays
//
//   symbol        field                   shape                   meaning                 default
//   M             exp_avg                 [out, in]               of the rotated G        -
//   V             exp_avg_sq              [out, in]               of its square           -
//   L, R          L, R                    [out, out], [in, in]    Gram averages           -
//   QL, QR        QL, QR                  the same                their eigenbases        -
//   beta1, beta2  betas                   -                       weights of the past     0.95 each
//   beta          shampoo_beta            -                       of L and R              beta2
//   -             precondition_frequency  -                       steps between (5)       10
//   -             max_precond_dim         -                       longer sides: no basis  10000
// Transfer: eigenbasis, lr sqrt(out / in), eps sqrt(in / out) / depth; a side without a basis has
// the multiplier of adamw on that side; bases that span the gradients (docs/theory/transfer.md).
// Conventions: defaults from the official code; M and V live in the bases, as there between steps;
// decay decoupled, after the step and not in (0); eps is added to the root before the bias
// correction; where eps = 0 and V = 0 the step is 0. Bases that a given state holds stay in (0).
// Differs from the original: bases by SVD of the first gradient. Where a side's statistic is
// singular there (the longer side of a rectangle) its null basis is arbitrary, and trajectories of
// correct solvers part; here it is the same in float and double (linalg/eigenbasis.hpp).
// Golden: soap_square, soap_onesided.
// References: N. Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam",
// arXiv:2409.11321.
#pragma once

#include <array>
#include <cmath>
#include <optional>

#include "muonflow/linalg/eigenbasis.hpp"
#include "muonflow/linalg/elementwise/moments.hpp"
#include "muonflow/linalg/sides.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct Soap {
  static constexpr RuleInfo info{
      .name = "soap",
      .summary = "Adam in the eigenbases of Shampoo's statistics: D = QL Adam(QL' G QR) QR'",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::after,
      .adjust_lr = Scale::none,
      .lr = 3e-3,
      .products = 25,
      .traits = Trait::transpose_equivariant | Trait::scale_invariant | Trait::zero_in_zero_out |
                Trait::counts_steps,
      .transfer = {.family = "eigenbasis",
                   .epsilon_option = "eps",
                   .epsilon = {.gradient = 1},
                   .note =
                       "bases that span the gradients: a memory of batches as long as the width"},
      .cite = "arXiv:2409.11321",
      .differs =
          "null bases of a singular first statistic are Householder's, "
          "the same in float and double",
      .claims = {.direction = Direction::adam_in_bases}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"reference",
       R"({"betas": [0.95, 0.95], "eps": 1e-8, "precondition_frequency": 10,
           "max_precond_dim": 10000, "correct_bias": true, "lr": 3e-3, "weight_decay": 0.01})",
       "nikhilvyas/SOAP with its defaults; a convolution is one matrix [out, rest]"},
  }};

  struct Options {
    std::array<double, 2> betas{0.95, 0.95};
    std::optional<double> shampoo_beta{};
    double eps = 1e-8;
    std::int64_t precondition_frequency = 10;
    std::int64_t max_precond_dim = 10000;
    bool correct_bias = true;
    void fields(FieldVisitor& v) {
      v.reals("betas", betas, kUnitBelowOne, "weights of the past in both moments");
      v.optional_real("shampoo_beta", shampoo_beta, kUnitBelowOne,
                      "weight of the past in L and R; off: the second of betas");
      v.real("eps", eps, kNonNegative, "added to the root of the second moment");
      v.integer("precondition_frequency", precondition_frequency, {.lo = 1},
                "steps between two refreshes of the bases");
      v.integer("max_precond_dim", max_precond_dim, kNonNegative,
                "a longer side has no basis of its own");
      v.boolean("correct_bias", correct_bias, "moments over what they lack at first");
    }
  } options;

  // A side without a basis has entries of one size all along it, as adamw has.
  Transfer transfer(Index rows, Index cols) const {
    Transfer own = info.transfer;
    if (rows > options.max_precond_dim) own.step.rows = 0.5, own.epsilon.rows = -0.5;
    if (cols > options.max_precond_dim) own.step.cols = 0.5, own.epsilon.cols = -0.5;
    return own;
  }

  template <class T>
  struct State {
    Matrix<T> exp_avg, exp_avg_sq, L, R, QL, QR;
    void fields(StateVisitor<T>& v, const Options& o) {
      const Index m = v.rows(), n = v.cols();
      v.like_weights("exp_avg", exp_avg);
      v.like_weights("exp_avg_sq", exp_avg_sq);
      if (m <= o.max_precond_dim) v.matrix("L", L, m, m);
      if (n <= o.max_precond_dim) v.matrix("R", R, n, n);
      if (m <= o.max_precond_dim) v.matrix("QL", QL, m, m);
      if (n <= o.max_precond_dim) v.matrix("QR", QR, n, n);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& [M, V, L, R, QL, QR] = state;
    const auto [beta1, beta2] = options.betas;
    const double beta = options.shampoo_beta.value_or(beta2);
    if (at.t == 0) {
      linalg::average_grams<T>(beta, at.G, L, R, at.scratch);  // (4)
      return first_bases(at, QL, QR);                          // (0)
    }
    D = at.G;
    linalg::into_bases<T>(QL, QR, D, at.scratch);
    const auto t = static_cast<double>(at.t);
    const double b = std::sqrt(1 - std::pow(beta2, t)) / (1 - std::pow(beta1, t));
    const linalg::AdamMoments moments{
        .beta1 = beta1, .beta2 = beta2, .first = options.correct_bias ? b : 1, .eps = options.eps};
    linalg::adam_step<T>(moments, D, M, V, D);               // (1), (2), the inner part of (3)
    linalg::out_of_bases<T>(QL, QR, D, at.scratch);          // (3)
    linalg::average_grams<T>(beta, at.G, L, R, at.scratch);  // (4)
    if (at.t % options.precondition_frequency != 0) return {};
    linalg::out_of_bases<T>(QL, QR, M, at.scratch);
    const Outcome outcome = linalg::refresh_bases<T>(L, R, QL, QR, V, at.scratch);  // (5)
    linalg::into_bases<T>(QL, QR, M, at.scratch);
    return outcome;
  }

 private:
  template <class T>
  StepResult first_bases(const StepContext<T>& at, Matrix<T>& QL, Matrix<T>& QR) const {
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto kept = frame.matrix(0, 0);
    const auto missing = [&](Matrix<T>& Q) {
      return (Q.array() == T(0)).all() ? MatrixRef<T>(Q) : MatrixRef<T>(kept);
    };
    StepResult result = linalg::singular_bases<T>(at.G, missing(QL), missing(QR), at.scratch);
    result.skip = true;
    return result;
  }
};

inline const Enrolled<Soap> enrolled_soap;

}  // namespace muonflow::optim
