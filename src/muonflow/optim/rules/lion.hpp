// Lion: the sign of a gradient average, where the step weighs the new gradient otherwise than the
// memory does.
//
//   (1)  D_t = sign(beta1 M_{t-1} + (1 - beta1) G_t)                 W <- W - lr D_t
//   (2)  M_t = beta2 M_{t-1} + (1 - beta2) G_t
//
//   symbol        field    shape      meaning                        default from
//   M             exp_avg  [out, in]  gradient average               -
//   beta1, beta2  betas    -          weights of the past            0.9, 0.99, Chen et al. 2023
// Transfer: entrywise, lr 1 / in; batch rank below the width (docs/theory/transfer.md).
// Conventions: M before this step's (2) enters (1); sign(0) = 0; decay decoupled, before the step;
// all operations entry by entry, so any rank.
// Differs from the original: nothing.
// Golden: lion.   References: X. Chen et al., "Symbolic discovery of optimization algorithms",
// arXiv:2302.06675.
#pragma once

#include <array>

#include "muonflow/geometry/sign.hpp"
#include "muonflow/linalg/elementwise/moments.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct Lion {
  static constexpr RuleInfo info{
      .name = "lion",
      .summary = "sign of an average of M and G: D = sign(beta1 M + (1 - beta1) G)",
      .takes = Takes::tensors,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 1e-4,
      .traits = Trait::elementwise | Trait::transpose_equivariant | Trait::scale_invariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "entrywise", .step = {.rows = 0.5, .cols = 0.5}, .beyond = -0.5},
      .cite = "arXiv:2302.06675",
      .claims = {.direction = Direction::lion}};

  struct Options {
    std::array<double, 2> betas{0.9, 0.99};
    void fields(FieldVisitor& v) {
      v.reals("betas", betas, kUnitBelowOne, "weights of the past in the step and in the memory");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> exp_avg;
    void fields(StateVisitor<T>& v, const Options&) { v.like_weights("exp_avg", exp_avg); }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    const auto [beta1, beta2] = options.betas;
    linalg::two_averages<T>(beta1, beta2, at.G, state.exp_avg, D);  // (2)
    return geometry::sign::steepest<T>(D);                          // (1)
  }
};

inline const Enrolled<Lion> enrolled_lion;

}  // namespace muonflow::optim
