// AdamW: both moments of the gradient, entry by entry, with decoupled weight decay.
//
//   (1)  M_t = beta1 M_{t-1} + (1 - beta1) G_t
//   (2)  V_t = beta2 V_{t-1} + (1 - beta2) G_t^2
//   (3)  D_t = M_t / (1 - beta1^t) / (sqrt(V_t / (1 - beta2^t)) + eps)     t from 1
//                                                  W <- W - lr D_t is the driver's
//
//   symbol        field        shape      meaning                 default from
//   M             exp_avg      [out, in]  gradient average        -
//   V             exp_avg_sq   [out, in]  average of its square   -
//   beta1, beta2  betas        -          weights of the past     0.9, 0.999, Kingma and Ba 2015
//   eps           eps          -          keeps (3) bounded       1e-8, the same; 0 is allowed
// Transfer: entrywise, lr 1 / in, eps 1 / (out depth); batch rank below the width
// (docs/theory/transfer.md).
// Conventions: EMA moments, bias corrected; decay decoupled, before the step; eps outside the root;
// all operations entry by entry, so any rank. Where eps = 0 and V = 0, D = 0.
// Differs from the original: nothing.
// Golden: adamw.   References: I. Loshchilov, F. Hutter, arXiv:1711.05101; torch.optim.AdamW.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/linalg/elementwise/moments.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct AdamW {
  static constexpr RuleInfo info{
      .name = "adamw",
      .summary = "Adam with decoupled weight decay: D = m / (sqrt(v) + eps), both debiased",
      .takes = Takes::tensors,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 1e-3,
      .traits = Trait::elementwise | Trait::transpose_equivariant | Trait::scale_invariant |
                Trait::zero_in_zero_out | Trait::counts_steps | Trait::descends,
      .transfer = {.family = "entrywise",
                   .step = {.rows = 0.5, .cols = 0.5},
                   .epsilon_option = "eps",
                   .epsilon = {.gradient = 1, .rows = -0.5, .cols = -0.5},
                   .beyond = -0.5},
      .cite = "arXiv:1711.05101",
      .claims = {.direction = Direction::adam}};

  struct Options {
    std::array<double, 2> betas{0.9, 0.999};
    double eps = 1e-8;
    void fields(FieldVisitor& v) {
      v.reals("betas", betas, kUnitBelowOne, "weights of the past in both averages");
      v.real("eps", eps, kNonNegative, "added to the root of the second moment");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> exp_avg;
    Matrix<T> exp_avg_sq;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("exp_avg", exp_avg);
      v.like_weights("exp_avg_sq", exp_avg_sq);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    const auto [beta1, beta2] = options.betas;
    const auto t = static_cast<double>(at.t + 1);
    const linalg::AdamMoments moments{.beta1 = beta1,
                                      .beta2 = beta2,
                                      .first = 1 / (1 - std::pow(beta1, t)),
                                      .root = 1 / std::sqrt(1 - std::pow(beta2, t)),
                                      .eps = options.eps};
    linalg::adam_step<T>(moments, at.G, state.exp_avg, state.exp_avg_sq, D);  // (1) to (3)
    return {};
  }
};

inline const Enrolled<AdamW> enrolled_adamw;

}  // namespace muonflow::optim
