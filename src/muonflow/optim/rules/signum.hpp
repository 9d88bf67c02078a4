// Signum: the sign of the momentum, entry by entry. Steepest descent in the largest entry.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  D_t = sign((1 - momentum) G_t + momentum M_t)  if nesterov, else sign(M_t)
//                                                                    W <- W - lr D_t
//
//   symbol  field            shape      meaning                      default from
//   M       momentum_buffer  [out, in]  gradient average             -
//   -       momentum         -          weight of the past           0.95, as muon's
// Transfer: entrywise, lr 1 / in; batch rank below the width (docs/theory/transfer.md).
// Conventions: EMA momentum; sign(0) = 0; decay decoupled, before the step; all operations entry by
// entry, so any rank.
// Differs from the original: nesterov is offered; it is lion with betas (momentum^2, momentum).
// Golden: signum (LIONS-EPFL/scion, norm Sign without its factor 1 / in).   References: J.
// Bernstein et al., "signSGD", arXiv:1802.04434; arXiv:2602.16340.
#pragma once

#include "muonflow/geometry/sign.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct Signum {
  static constexpr RuleInfo info{
      .name = "signum",
      .summary = "sign of the momentum: D = sign(M)",
      .takes = Takes::tensors,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 1e-3,
      .traits = Trait::elementwise | Trait::transpose_equivariant | Trait::scale_invariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "entrywise", .step = {.rows = 0.5, .cols = 0.5}, .beyond = -0.5},
      .cite = "arXiv:1802.04434",
      .differs = "nesterov is offered",
      .claims = {.memory = Memory::ema, .direction = Direction::sign}};

  struct Options {
    double momentum = 0.95;
    bool nesterov = false;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.boolean("nesterov", nesterov, "look one step ahead");
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
    const auto momentum = MomentumStep::average(options.momentum, options.nesterov);
    momentum.apply<T>(at.G, state.momentum_buffer, D);  // (1), (2)
    return geometry::sign::steepest<T>(D);              // (2)
  }
};

inline const Enrolled<Signum> enrolled_signum;

}  // namespace muonflow::optim
