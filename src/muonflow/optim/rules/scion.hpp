// Scion: steps to the boundary of a norm ball chosen by layer, around the momentum's direction or,
// constrained, towards a point of the ball (conditional gradient, Frank-Wolfe).
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  D_t = sqrt(out / in) times five Jordan steps of M_t         norm spectral
//            = sign(M_t) / in                                        sign
//            = each row of M_t over sqrt(in) |row| + 1e-8            row
//            = each column of M_t over |column| / sqrt(out) + 1e-8   column
//   (3)  W_t = W - lr radius D_t, or (1 - lr) W - lr radius D_t      unconstrained, constrained
//
//   symbol  field            shape      meaning                      default from
//   M       momentum_buffer  [out, in]  gradient average             -
//   -       momentum         -          weight of the past           0.9, 1 less theirs
//   -       norm             -          whose ball the steps are of  spectral
//   -       radius           -          of the ball (their scale)    1
//   -       constrained      -          keep W in the ball           false
// Transfer: norm ball, lr 1, any batch rank; sign and row the same for a batch rank below the
// width, column lr 1 / in (docs/theory/transfer.md). Conventions: the shape's factors are in (2),
// so adjust_lr is refused; a further weight_decay acts before the step, on top of (1 - lr); the
// Jordan steps add 1e-7 to the norm. Differs from the original: momentum is the weight of the past;
// constrained is off by default; the weights are not initialized on the ball; a convolution is the
// matrix [out, rest] without the further 1 / kernel of their SpectralConv; their variants max,
// normalized and transpose, and BiasRMS for vectors, are not offered. Golden: scion_spectral,
// scion_sign, scion_row. References: T. Pethick et al., arXiv:2502.07529; LIONS-EPFL/scion.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/geometry/sign.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

enum class ScionNorm { spectral, sign, row, column };

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ScionNorm> {
  static constexpr std::array<std::string_view, 4> names{"spectral", "sign", "row", "column"};
};

namespace muonflow::optim {

struct Scion {
  static constexpr RuleInfo info{
      .name = "scion",
      .summary = "steps of a norm ball: W <- W - lr radius lmo(M), or towards the ball",
      .takes = Takes::matrices,
      .result = Result::weights,
      .decay = Decay::before,
      .scale_built_in = true,
      .lr = 1e-3,
      .traits = Trait::orthogonal_equivariant | Trait::scale_invariant | Trait::zero_in_zero_out |
                Trait::descends,
      .transfer = {.family = "norm ball", .step = {.rows = 0.5, .cols = -0.5}},
      .cite = "arXiv:2502.07529",
      .differs =
          "momentum is 1 - theirs; constrained is off by default; no start on the ball; a "
          "convolution is [out, rest] without their 1 / kernel",
      .claims = {.memory = Memory::ema, .direction = Direction::norm_ball}};

  static constexpr std::array<RulePreset, 4> presets{{
      {"mlp_hidden",
       R"({"norm": "spectral", "radius": 1, "momentum": 0.9, "constrained": true, "lr": 0.015625})",
       "LIONS-EPFL/scion, README: hidden layers of a perceptron"},
      {"mlp_output",
       R"({"norm": "sign", "radius": 1024, "momentum": 0.9, "constrained": true, "lr": 0.015625})",
       "LIONS-EPFL/scion, README: the last layer of a perceptron"},
      {"nanogpt_head",
       R"({"norm": "sign", "radius": 3000, "momentum": 0.9, "constrained": true,
           "lr": 0.000244140625})",
       "LIONS-EPFL/scion, README: the shared embedding and head of nanoGPT"},
      {"nanogpt_hidden",
       R"({"norm": "spectral", "radius": 50, "momentum": 0.9, "constrained": true,
           "lr": 0.000244140625})",
       "LIONS-EPFL/scion, README: matrices of nanoGPT's blocks"},
  }};

  struct Options {
    double momentum = 0.9;
    ScionNorm norm = ScionNorm::spectral;
    double radius = 1;
    bool constrained = false;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.choice("norm", norm, "whose ball the steps are of");
      v.real("radius", radius, kPositive, "of the ball");
      v.boolean("constrained", constrained, "keep the weights in the ball: W shrinks by 1 - lr");
    }
  } options;

  Transfer transfer(Index, Index) const {
    Transfer own = info.transfer;
    if (options.norm == ScionNorm::column) own.step.cols = 0.5;
    if (options.norm != ScionNorm::spectral) own.beyond = -0.5;
    return own;
  }

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
    const auto m = static_cast<double>(D.rows());
    const auto n = static_cast<double>(D.cols());
    double factor = 1;
    Outcome outcome{};
    switch (options.norm) {  // (2)
      case ScionNorm::spectral:
        outcome = geometry::nuclear::steepest<T>(D, linalg::Polar{}, at.scratch);
        factor = std::sqrt(m / n);
        break;
      case ScionNorm::sign:
        outcome = geometry::sign::steepest<T>(D);
        factor = 1 / n;
        break;
      case ScionNorm::row:
        linalg::divide_rows<T>(D, std::sqrt(n), kEps);
        break;
      case ScionNorm::column:
        linalg::divide_columns<T>(D, 1 / std::sqrt(m), kEps, at.scratch);
        break;
    }
    if (!outcome.ok()) return outcome;
    const T kept = static_cast<T>(options.constrained ? 1 - at.lr : 1);
    const T by = static_cast<T>(at.lr * at.scale * options.radius * factor);
    D = kept * at.W - by * D;  // (3)
    return {};
  }

 private:
  static constexpr double kEps = 1e-8;
};

inline const Enrolled<Scion> enrolled_scion;

}  // namespace muonflow::optim
