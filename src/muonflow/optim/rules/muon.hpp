// Muon: momentum, orthogonalized. Steepest descent in the spectral norm on a matrix W [out, in].
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t                 momentum_form ema
//        M_t = momentum M_{t-1} + G_t                                momentum_form sum
//   (2)  Q_t = (1 - momentum) G_t + momentum M_t  if nesterov (sum: G_t + momentum M_t), else M_t
//   (3)  D_t = polar(Q_t)                                            W <- W - lr scale D_t
//
//   symbol  field                      shape      meaning                  default from
//   M       momentum_buffer            [out, in]  gradient average or sum  -
//   -       momentum                   -          weight of the past       0.95, Jordan 2024
//   polar   polar, ns_steps            -          orthogonalization        jordan, 5 steps, Jordan
//   eps     eps, eps_mode              -          Q / (|Q|_F + eps) (add)  1e-7, Jordan; max(|Q|_F,
//                                                                          eps) is PyTorch's
// Transfer: orthogonal, lr sqrt(out / in), eps sqrt(in / out) / depth; any batch rank
// (docs/theory/transfer.md).
// Conventions: decay decoupled, before the step; rows = outputs; both momentum forms give
// proportional Q, so that only eps tells them apart.
// Differs from the original: float32 or float64 iterations instead of bfloat16; a convolution is
// scaled by the matrix [out, rest] (Jordan's repository takes the last two dimensions).
// Golden: muon_jordan, muon_jordan_f32, muon_pytorch_original, muon_pytorch_match_rms,
// muon_moonlight, muon_stack3d.   References: K. Jordan, "Muon: an optimizer for hidden layers in
// neural networks", 2024; J. Liu et al., arXiv:2502.16982.
#pragma once

#include <array>

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

enum class MomentumForm { ema, sum };

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::MomentumForm> {
  static constexpr std::array<std::string_view, 2> names{"ema", "sum"};
};

namespace muonflow::optim {

struct Muon {
  static constexpr RuleInfo info{
      .name = "muon",
      .summary = "momentum, orthogonalized: D = polar(M)",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::original,
      .lr = 0.02,
      .traits = Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::scale_invariant | Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "orthogonal", .epsilon_option = "eps", .epsilon = {.gradient = 1}},
      .cite = "K. Jordan 2024",
      .differs = "float32 or float64 instead of bfloat16; a convolution is scaled by [out, rest]",
      .claims = {.memory = Memory::by_form, .direction = Direction::polar}};

  static constexpr std::array<RulePreset, 3> presets{{
      {"jordan",
       R"({"momentum": 0.95, "nesterov": true, "momentum_form": "ema", "polar": "jordan",
           "ns_steps": 5, "eps": 1e-7, "eps_mode": "add", "lr": 0.02, "adjust_lr": "original"})",
       "KellerJordan/Muon; a convolution is scaled by [out, rest] instead of its last two sizes"},
      {"moonlight",
       R"({"momentum": 0.95, "nesterov": true, "momentum_form": "sum", "polar": "jordan",
           "ns_steps": 5, "eps": 1e-7, "eps_mode": "add", "lr": 1e-3, "weight_decay": 0.1,
           "adjust_lr": "match_rms_adamw"})",
       "MoonshotAI/Moonlight, arXiv:2502.16982: takes AdamW's learning rate and decay"},
      {"pytorch",
       R"({"momentum": 0.95, "nesterov": true, "momentum_form": "ema", "polar": "jordan",
           "ns_steps": 5, "eps": 1e-7, "eps_mode": "max", "lr": 1e-3, "weight_decay": 0.1,
           "adjust_lr": "original"})",
       "torch.optim.Muon with its defaults"},
  }};

  struct Options {
    double momentum = 0.95;
    bool nesterov = true;
    MomentumForm momentum_form = MomentumForm::ema;
    linalg::Polar polar{};
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past");
      v.boolean("nesterov", nesterov, "look one step ahead");
      v.choice("momentum_form", momentum_form, "average (ema) or sum of gradients");
      polar.fields(v);
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
    begin(at, state, D);  // (1), (2)
    return geometry::nuclear::steepest<T>(D, options.polar, at.scratch);  // (3)
  }

  // Small matrices of one shape take (3) together, sixteen to a vector.
  bool batches(Index rows, Index cols) const {
    return geometry::nuclear::in_batches(rows, cols, options.polar);
  }
  template <class T>
  void begin(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    const auto momentum = options.momentum_form == MomentumForm::ema
                              ? MomentumStep::average(options.momentum, options.nesterov)
                              : MomentumStep::sum(options.momentum, options.nesterov);
    momentum.apply<T>(at.G, state.momentum_buffer, D);
  }
  template <class T>
  void finish(T* D, Index count, Index rows, Index cols, std::span<Outcome> outcomes,
              linalg::Workspace<T>& scratch) const {
    geometry::nuclear::steepest_each<T>({D, count, rows, cols, rows * cols}, options.polar,
                                        outcomes, scratch);
  }
};

inline const Enrolled<Muon> enrolled_muon;

}  // namespace muonflow::optim
