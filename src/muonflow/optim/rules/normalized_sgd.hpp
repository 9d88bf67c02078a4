// Normalized SGD: momentum, divided by its Frobenius norm. Steepest descent in the Frobenius norm.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  D_t = M_t / (|M_t|_F + eps)                                 W <- W - lr scale D_t
//
//   symbol  field            shape      meaning                      default from
//   M       momentum_buffer  [out, in]  gradient average             -
//   -       momentum         -          weight of the past           0.95, as muon's
//   eps     eps              -          guards the division          1e-12
// Transfer: normalized, lr sqrt(out / in), eps sqrt(in / out) / depth; batch rank below the width
// (docs/theory/transfer.md).
// Conventions: EMA momentum; one norm for the whole matrix, so a convolution has one, each matrix
// of a stack its own, and a vector one; decay decoupled, before the step; M = 0 gives D = 0.
// Differs from the original: eps, without which the first step of a zero gradient is not defined.
// Golden: normalized_sgd.   References: A. Cutkosky, H. Mehta, arXiv:2002.03305; the l2 case of
// arXiv:2602.16340.
#pragma once

#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct NormalizedSgd {
  static constexpr RuleInfo info{.name = "normalized_sgd",
                                 .summary = "momentum over its Frobenius norm: D = M / |M|_F",
                                 .takes = Takes::tensors,
                                 .result = Result::direction,
                                 .decay = Decay::before,
                                 .adjust_lr = Scale::none,
                                 .lr = 0.02,
                                 .products = 0,
                                 .traits = Trait::orthogonal_equivariant |
                                           Trait::transpose_equivariant | Trait::scale_invariant |
                                           Trait::zero_in_zero_out | Trait::descends,
                                 .transfer = {.family = "normalized",
                                              .epsilon_option = "eps",
                                              .epsilon = {.gradient = 1},
                                              .beyond = -0.5},
                                 .cite = "arXiv:2002.03305",
                                 .differs = "eps is added to the norm",
                                 .claims = {.memory = Memory::ema, .direction = Direction::unit}};

  struct Options {
    double momentum = 0.95;
    double eps = 1e-12;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.real("eps", eps, kNonNegative, "added to the norm");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& M = state.momentum_buffer;
    const T mu = static_cast<T>(options.momentum);
    M = mu * M + static_cast<T>(1 - options.momentum) * at.G;  // (1)
    const double norm = linalg::frobenius_norm<T>(M) + options.eps;
    if (norm == 0) {
      D.setZero();
    } else {
      D = M / static_cast<T>(norm);  // (2)
    }
    return {};
  }
};

inline const Enrolled<NormalizedSgd> enrolled_normalized_sgd;

}  // namespace muonflow::optim
