// AdaMuon: Muon whose orthogonalized direction is divided by a second moment, entry by entry, and
// brought to the size of an Adam step.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  O_t = five Jordan steps of sign(M_t)  if sign_input, else of M_t
//   (3)  V_t = beta2 V_{t-1} + (1 - beta2) O_t^2
//   (4)  P_t = O_t / (sqrt(V_t) + eps)
//   (5)  D_t = 0.2 sqrt(out in) P_t / |P_t|_F                        W <- W - lr D_t
//
//   symbol  field            shape      meaning                        default from
//   M       momentum_buffer  [out, in]  gradient average               -
//   V       exp_avg_sq       [out, in]  average of O^2                 -
//   -       momentum, beta2  -          weights of the past            0.95, 0.95, AdaMuon
//   eps     eps              -          keeps (4) bounded              1e-8, AdaMuon
// Transfer: root mean square, lr sqrt(min(out, in)) / in, eps sqrt(min(out, in) / (out in)), any
// batch rank; without sign_input lr 1 / in, eps 1 / sqrt(out in), batch rank below the width
// (docs/theory/transfer.md).
// Conventions: no Nesterov; V from 0 without bias correction, which (5) would cancel but for eps;
// the steps of (2) add 1e-7 to the norm; the root mean square of D is 0.2 for every shape, so
// adjust_lr is refused; decay decoupled, before the step; O = 0 gives 0. Differs from the original:
// float32 or float64 iterations instead of bfloat16. The public codes disagree with the paper and
// with each other: kozistr/pytorch_optimizer leaves the sign out, corrects the bias of V, and takes
// a step that is ours over sqrt(min(out, in)); Chongjie-Si/AdaMuon (2025-07) leaves the sign out
// and has Nesterov, beta2 0.999 and bias correction. Golden: adamuon_nosign.   References: C. Si et
// al., arXiv:2507.11005.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/geometry/sign.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct AdaMuon {
  static constexpr RuleInfo info{
      .name = "adamuon",
      .summary = "Muon over a second moment, RMS 0.2: D = polar(sign(M)) / sqrt(V), scaled",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .scale_built_in = true,
      .lr = 1e-3,
      .traits = Trait::transpose_equivariant | Trait::scale_invariant | Trait::zero_in_zero_out,
      .transfer = {.family = "root mean square",
                   .step = {.rows = 0.5, .cols = 0.5, .shorter = -0.5},
                   .epsilon_option = "eps",
                   .epsilon = {.rows = -0.5, .cols = -0.5, .shorter = 0.5}},
      .cite = "arXiv:2507.11005",
      .differs =
          "float32 or float64 instead of bfloat16; public codes leave the sign out "
          "(sign_input = false), correct the bias of V or scale the step otherwise",
      .claims = {.memory = Memory::ema, .direction = Direction::entry_scaled_polar}};

  static constexpr std::array<RulePreset, 2> presets{{
      {"kozistr",
       R"({"momentum": 0.9, "beta2": 0.95, "eps": 1e-10, "sign_input": false, "lr": 0.02})",
       "kozistr/pytorch_optimizer, without its second factor 1 / sqrt(min(out, in)) on the step"},
      {"paper", R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-8, "sign_input": true})",
       "arXiv:2507.11005: takes AdamW's learning rate and decay"},
  }};

  struct Options {
    double momentum = 0.95;
    double beta2 = 0.95;
    double eps = 1e-8;
    bool sign_input = true;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the gradient average");
      v.real("beta2", beta2, kUnitBelowOne, "weight of the past in the second moment");
      v.real("eps", eps, kNonNegative, "added to the root of the second moment");
      v.boolean("sign_input", sign_input, "orthogonalize the signs of the average, as the paper");
    }
  } options;

  // The signs of a low-rank average have full rank, the average itself has not.
  Transfer transfer(Index, Index) const {
    Transfer own = info.transfer;
    if (options.sign_input) return own;
    own.step.shorter = own.epsilon.shorter = 0;
    own.beyond = -0.5;
    return own;
  }

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> exp_avg_sq;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
      v.like_weights("exp_avg_sq", exp_avg_sq);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    MomentumStep::average(options.momentum).apply<T>(at.G, state.momentum_buffer, D);  // (1)
    Outcome outcome{};
    if (options.sign_input) outcome = geometry::sign::steepest<T>(D);
    if (outcome.ok()) outcome = geometry::nuclear::steepest<T>(D, linalg::Polar{}, at.scratch);
    if (!outcome.ok()) return outcome;                                     // (2)
    linalg::rms_step<T>(options.beta2, options.eps, state.exp_avg_sq, D);  // (3), (4)
    const double norm = linalg::frobenius_norm<T>(D);
    const double size = 0.2 * std::sqrt(static_cast<double>(D.size()));
    if (norm > 0) D *= static_cast<T>(size / norm);  // (5)
    return {};
  }
};

inline const Enrolled<AdaMuon> enrolled_adamuon;

}  // namespace muonflow::optim
