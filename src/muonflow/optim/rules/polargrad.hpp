// PolarGrad: the polar factor of the momentum times its nuclear norm, so that the step vanishes
// with the gradient. Steepest descent for half the squared nuclear norm.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  M_t = U_t H_t,   D_t = tr(H_t) U_t = |M_t|_* polar(M_t)     W <- W - lr scale D_t
//
//   symbol  field            shape      meaning                      default from
//   M       momentum_buffer  [out, in]  gradient average             -
//   U, H    -                [out, in]  polar decomposition          exact, by SVD
//   -       momentum         -          weight of the past           0.95, PolarGrad
// Transfer: gradient, lr out depth / in; batch rank below the width (docs/theory/transfer.md).
// Conventions: EMA momentum, momentum first; D has M's degree: D(c M) = c D(M); on the numerical
// support, M = 0 gives 0; decay decoupled, before the step.
// Differs from the original: the decomposition is exact (theirs: QDWH of a few steps, Newton-Schulz
// or Polar Express); the variant that averages U (polar first) is not offered. Golden: polargrad.
// References: T. Lau, Q. Long, W. Su, arXiv:2505.21799.
#pragma once

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct PolarGrad {
  static constexpr RuleInfo info{
      .name = "polargrad",
      .summary = "nuclear norm times polar factor of the momentum: D = |M|_* polar(M)",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 0.02,
      .products = 46,
      .traits = Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "gradient", .step = {.gradient = 1}, .beyond = 1},
      .cite = "arXiv:2505.21799",
      .differs = "exact decomposition; momentum first only",
      .claims = {.memory = Memory::ema, .direction = Direction::nuclear_polar}};

  struct Options {
    double momentum = 0.95;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
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
    MomentumStep::average(options.momentum).apply<T>(at.G, state.momentum_buffer, D);  // (1)
    geometry::nuclear::Size size;
    const Outcome outcome = geometry::nuclear::exact_steepest<T>(D, size, at.scratch);
    if (outcome.ok()) D *= static_cast<T>(size.norm);  // (2)
    return outcome;
  }
};

inline const Enrolled<PolarGrad> enrolled_polargrad;

}  // namespace muonflow::optim
