// Regularized Muon: momentum through the smoothed polar map. Steepest descent for the smoothed
// nuclear norm, the kinetic energy sum_i sqrt(s_i^2 + epsilon^2) - epsilon.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  Q_t = (1 - momentum) G_t + momentum M_t  if nesterov, else M_t
//   (3)  e = epsilon, or epsilon |Q_t|_F / sqrt(r) if relative, r = min(out, in)
//   (4)  D_t = Q_t (Q_t' Q_t + e^2 I)^(-1/2)                         W <- W - lr scale D_t
//
//   symbol  field                  shape      meaning                      default from
//   M       momentum_buffer        [out, in]  gradient average             -
//   -       momentum               -          weight of the past           0.95, Jordan 2024
//   e       epsilon, epsilon_mode  -          where singular values count  1e-2, absolute
// Transfer: orthogonal, lr sqrt(out / in), epsilon (absolute) sqrt(in / out) / depth; any batch
// rank (docs/theory/transfer.md).
// Conventions: EMA momentum (the scale of M matters here); decay decoupled, before the step; the
// map is exact to the dtype; relative epsilon at Q = 0 gives D = 0.
// Differs from the original: nesterov and the relative epsilon are offered.
// Warns where epsilon exceeds most singular values of Q: D is then nearly Q / e, scaled SGD. The
// test is |D|_F^2 < r / 2, for |D|_F^2 = sum s^2 / (s^2 + e^2), where s = e counts 1/2.
// Golden: regularized_muon.   References: "Move on Muon", arXiv:2605.23871.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/geometry/smoothed_nuclear.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

enum class EpsilonMode { absolute, relative };

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::EpsilonMode> {
  static constexpr std::array<std::string_view, 2> names{"absolute", "relative"};
};

namespace muonflow::optim {

struct RegularizedMuon {
  static constexpr RuleInfo info{
      .name = "regularized_muon",
      .summary = "momentum through the smoothed polar map: D = M (M'M + epsilon^2 I)^(-1/2)",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 0.02,
      .products = 25,
      .traits = Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "orthogonal", .epsilon_option = "epsilon", .epsilon = {.gradient = 1}},
      .cite = "arXiv:2605.23871",
      .differs = "nesterov and the relative epsilon are offered",
      .claims = {.memory = Memory::ema, .direction = Direction::smoothed_polar}};

  struct Options {
    double momentum = 0.95;
    bool nesterov = false;
    double epsilon = 1e-2;
    EpsilonMode epsilon_mode = EpsilonMode::absolute;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.boolean("nesterov", nesterov, "look one step ahead");
      v.real("epsilon", epsilon, kNonNegative, "singular values well above it count fully");
      v.choice("epsilon_mode", epsilon_mode, "relative: times the root mean square of them");
    }
  } options;

  // A relative epsilon moves with the gradient by itself.
  Transfer transfer(Index, Index) const {
    Transfer own = info.transfer;
    if (options.epsilon_mode == EpsilonMode::relative) own.epsilon_option = {};
    return own;
  }

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
    }
  };

  // The average starts at zero and is small at first, so the first look is at step 20.
  static constexpr std::int64_t kLookEvery = 100, kFirstLook = 19;

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    const auto momentum = MomentumStep::average(options.momentum, options.nesterov);
    momentum.apply<T>(at.G, state.momentum_buffer, D);  // (1), (2)
    const auto r = static_cast<double>(std::min(D.rows(), D.cols()));
    double epsilon = options.epsilon;
    if (options.epsilon_mode == EpsilonMode::relative) {
      epsilon *= linalg::frobenius_norm<T>(D) / std::sqrt(r);  // (3)
    }
    StepResult result = geometry::smoothed_nuclear::steepest<T>(D, epsilon, at.scratch);  // (4)
    if (at.t % kLookEvery == kFirstLook && result.outcome.ok()) {
      const double norm = linalg::frobenius_norm<T>(D);
      if (norm > 0 && norm * norm < r / 2) {
        result.warning =
            "epsilon exceeds most singular values of the momentum: the step is nearly scaled SGD; "
            "lower epsilon or use epsilon_mode = \"relative\"";
      }
    }
    return result;
  }
};

inline const Enrolled<RegularizedMuon> enrolled_regularized_muon;

}  // namespace muonflow::optim
