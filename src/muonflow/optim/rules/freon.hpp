// Freon: momentum through a power of its singular values. c = 0 is SGD, c = 1/2 Muon, and beyond
// lie directions in which small singular values count for more than large ones.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  Q_t = (1 - momentum) G_t + momentum M_t  if nesterov, else M_t;   Q_t = U diag(s) V'
//   (3)  D_t = mu U diag(s^(q - 1)) V' = mu (Q_t Q_t')^(-c) Q_t,   q = 2 (1 - c), r = min(out, in)
//        mu = (sum s^q / r)^((1 - q) / q)     covariant: D does not depend on the scale of Q; at
//                                             c = 1 its limit, the geometric mean of s
//        mu = 1 / |s|_q^(q - 1)               schatten: the steepest direction in the Schatten ball
//        mu = 1                               none                    W <- W - lr scale D_t
//
//   symbol  field            shape      meaning                         default from
//   M       momentum_buffer  [out, in]  gradient average                -
//   -       momentum         -          weight of the past              0.95, Jordan 2024
//   c       c                -          which power                     2/3, arXiv:2605.11181
//   mu      normalization    -          size of D                       covariant
//   -       floor            -          s below floor s_max count as 0  1e-7
// Transfer: spectral power, lr sqrt(out / in) min(out, in)^p, p = (2 c - 1) / (2 - 2 c), for
// covariant and p = 0 for schatten, batch rank below the width; none lr (out / in)^(1 - c) depth^(1
// - 2 c), any batch rank (docs/theory/transfer.md).
// Conventions: EMA momentum (its scale matters for `none` alone); decay decoupled, before the step;
// powers of singular values that count as 0 are 0, whatever the sign of the exponent.
// Differs from the original: no code of the authors was found. Beside the public research code of
// others: singular values below the floor are dropped, there all are raised to 1e-12 of the norm;
// weights are not brought to a fixed norm before each step.
// Golden: freon_half, freon_two_thirds.   References: A. Shumaylov et al., "Muon is not that
// special", arXiv:2605.11181.
#pragma once

#include <array>

#include "muonflow/linalg/spectral_power.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct Freon {
  static constexpr RuleInfo info{
      .name = "freon",
      .summary = "momentum through a power of its singular values: D = mu (MM')^(-c) M",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 0.02,
      .products = 20,
      .traits = Trait::descends | Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::scale_invariant | Trait::zero_in_zero_out,
      .transfer = {.family = "spectral power", .step = {.shorter = -0.5}, .beyond = 0.5},
      .cite = "arXiv:2605.11181",
      .differs =
          "no code of the authors was found; beside the public research code of others, small "
          "singular values are dropped, not raised, and weights have no fixed norm",
      .claims = {.memory = Memory::ema, .direction = Direction::spectral_power}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"cifar",
       R"({"c": 0.6666666666666666, "momentum": 0.95, "nesterov": true,
           "normalization": "covariant", "lr": 0.02, "adjust_lr": "none"})",
       "public research code on CIFAR for arXiv:2605.11181, its exact route, without its fixed "
       "norm "
       "of the weights"},
  }};

  struct Options {
    double c = 2.0 / 3.0;
    double momentum = 0.95;
    bool nesterov = true;
    linalg::SpectralNormalization normalization = linalg::SpectralNormalization::covariant;
    double floor = 1e-7;
    void fields(FieldVisitor& v) {
      v.real("c", c, {}, "0 is SGD, 0.5 Muon, above 0.5 small singular values gain");
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.boolean("nesterov", nesterov, "look one step ahead");
      v.choice("normalization", normalization, "size of the step");
      v.real("floor", floor, kUnitBelowOne, "part of the largest singular value that counts as 0");
    }
  } options;

  // mu is a mean over all singular values (covariant) or a sum (schatten), those that are 0 too.
  Transfer transfer(Index, Index) const {
    using linalg::SpectralNormalization;
    const double q = 2 * (1 - options.c);
    const double mean = q == 0 ? 0 : (1 - q) / q;
    const bool none = options.normalization == SpectralNormalization::none;
    Transfer own = info.transfer;
    own.step = {.gradient = none ? q - 1 : 0};
    own.beyond = none ? 0 : mean;
    if (options.normalization == SpectralNormalization::covariant) own.step.shorter = -mean;
    return own;
  }

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
    }
  };

  void check(const std::string& place) const {
    if (options.normalization == linalg::SpectralNormalization::schatten && options.c == 1) {
      throw ConfigError({.place = place,
                         .what = "freon with normalization schatten",
                         .expected = "c other than 1, where the Schatten exponent is 0"});
    }
  }

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    const auto momentum = MomentumStep::average(options.momentum, options.nesterov);
    momentum.apply<T>(at.G, state.momentum_buffer, D);  // (1), (2)
    const linalg::SpectralPower power{
        .c = options.c, .normalization = options.normalization, .floor = options.floor};
    return linalg::spectral_power<T>(D, power, at.scratch);  // (3)
  }
};

inline const Enrolled<Freon> enrolled_freon;

}  // namespace muonflow::optim
