// EF-Muon: Muon with error feedback. What orthogonalization does to the step is remembered and paid
// back, so that W - E follows momentum SGD exactly; plain Muon need not converge on convex
// functions that are only Lipschitz.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  P_t = lr scale M_t + E_{t-1}
//   (3)  D_t = |P_t|_* / rank(P_t) polar(P_t)                        W <- W - D_t: no lr but in (2)
//   (4)  E_t = P_t - D_t
//
//   symbol  field            shape      meaning                      default from
//   M       momentum_buffer  [out, in]  gradient average             -
//   E       error            [out, in]  steps not yet taken          0
//   -       momentum         -          weight of the past           0.9, arXiv:2605.08980
// Transfer: gradient, lr out depth / in; any batch rank (docs/theory/transfer.md).
// Conventions: exact polar factor, norm and rank from one decomposition; the rank counts the
// singular values above max(out, in) epsilon s_max (float: above epsilon |P|_F, the rounding of the
// entries, which is what the polar factor keeps); P = 0 gives 0; decay decoupled, before the step.
// (3) makes |P - D|_F^2 = |P|_F^2 - |P|_*^2 / rank, a contraction; a schedule 1 / sqrt(t + 1) is
// the driver's. Differs from the original: nothing; its code is written for diagonals, as vectors.
// Golden: ef_muon, ef_muon_diagonal.   References: T. Parshakova et al., arXiv:2605.08980.
#pragma once

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct EfMuon {
  static constexpr RuleInfo info{
      .name = "ef_muon",
      .summary = "Muon with error feedback: D = (|P|_*/rank) polar(P), P = lr M + E, E = P - D",
      .takes = Takes::matrices,
      .result = Result::delta,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 0.02,
      .products = 44,
      .traits = Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "gradient", .step = {.gradient = 1}},
      .cite = "arXiv:2605.08980",
      .differs = "in float the rank counts singular values above epsilon |P|_F",
      .claims = {.memory = Memory::ema, .direction = Direction::compensated_polar}};

  struct Options {
    double momentum = 0.9;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> error;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
      v.like_weights("error", error);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& M = state.momentum_buffer;
    auto& E = state.error;
    const T part = static_cast<T>(1 - options.momentum);
    M = static_cast<T>(options.momentum) * M + part * at.G;  // (1)
    E += static_cast<T>(at.lr * at.scale) * M;               // (2), P in E's place
    D = E;
    geometry::nuclear::Size size;
    const Outcome outcome = geometry::nuclear::exact_steepest<T>(D, size, at.scratch);
    if (!outcome.ok()) return outcome;
    if (size.rank > 0) D *= static_cast<T>(size.norm / static_cast<double>(size.rank));  // (3)
    E -= D;                                                                              // (4)
    return outcome;
  }
};

inline const Enrolled<EfMuon> enrolled_ef_muon;

}  // namespace muonflow::optim
