// Kaon: momentum whose singular values are thrown about by a chaotic map, a step with no meaning in
// its spectrum that trains about as well as Muon's.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  Q_t = (1 - momentum) G_t + momentum M_t  if nesterov, else M_t
//   (3)  X = Q_t / (|Q_t|_F + (1 - momentum) eps);  ns_steps times X <- gain (I - X X')^2 X
//   (4)  D_t = X / divisor                                             W <- W - lr scale D_t
//
//   symbol    field            shape      meaning                      default from
//   M         momentum_buffer  [out, in]  gradient average             -
//   -         momentum         -          weight of the past           0.95, Jordan 2024
//   -         ns_steps         -          steps of the map             5
//   gain      gain             -          s -> gain s (1 - s^2)^2      4.1: chaotic and bounded
//   divisor   divisor          -          keeps |D| at most 1          1.175, above the map's peak
//   eps       eps              -          guards the division in (3)   1e-12
// Transfer: orthogonal, lr sqrt(out / in), eps sqrt(in / out) / depth; any batch rank, up to the
// scatter of (3) (docs/theory/transfer.md).
// Conventions: EMA momentum (the map does not see its scale; eps is that of the sum of gradients);
// decay decoupled, before the step. A rounding error grows a thousandfold in (3): float has four
// digits left. A lone singular value is 1 in (3) and goes to 0: vectors do not move.
// Differs from the original: no code of the authors was found. Beside the public research code of
// others: float32 or float64 instead of bfloat16; a norm below eps shrinks D instead of clearing
// it; weights are not brought to a fixed norm before each step.
// Golden: kaon.   References: A. Shumaylov et al., "Muon is not that special", arXiv:2605.11181.
#pragma once

#include <array>

#include "muonflow/linalg/chaotic_map.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct Kaon {
  static constexpr RuleInfo info{
      .name = "kaon",
      .summary = "momentum through a chaotic map of its singular values: s -> 4.1 s (1 - s^2)^2",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 0.02,
      .products = 18,
      .traits = Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::scale_invariant | Trait::zero_in_zero_out,
      .transfer = {.family = "orthogonal",
                   .epsilon_option = "eps",
                   .epsilon = {.gradient = 1},
                   .note = "up to the scatter of its map"},
      .cite = "arXiv:2605.11181",
      .differs =
          "no code of the authors was found; beside the public research code of others, float32 or "
          "float64 instead of bfloat16, and weights have no fixed norm",
      .claims = {.memory = Memory::ema, .direction = Direction::chaotic}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"cifar",
       R"({"momentum": 0.95, "nesterov": true, "ns_steps": 5, "gain": 4.1, "divisor": 1.175,
           "eps": 1e-12, "lr": 0.02, "adjust_lr": "none"})",
       "public research code on CIFAR for arXiv:2605.11181, without its fixed norm of the weights"},
  }};

  struct Options {
    double momentum = 0.95;
    bool nesterov = true;
    linalg::ChaoticMap map{};
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
      v.boolean("nesterov", nesterov, "look one step ahead");
      map.fields(v);
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
    auto map = options.map;
    map.eps *= 1 - options.momentum;
    return linalg::chaotic_map<T>(D, map, at.scratch);  // (3), (4)
  }
};

inline const Enrolled<Kaon> enrolled_kaon;

}  // namespace muonflow::optim
