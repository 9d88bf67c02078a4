// SGD with momentum, as PyTorch has it.
//
//   (1)  B_0 = G_0,   B_t = momentum B_{t-1} + (1 - dampening) G_t
//   (2)  D_t = G_t + momentum B_t  if nesterov, else B_t            W <- W - lr D_t is the driver's
//
//   symbol  field            shape      meaning                          default from
//   B       momentum_buffer  [out, in]  gradient sum; none for momentum 0  -
//   -       momentum         -          weight of the past               0, torch.optim.SGD
//   -       dampening        -          what the past takes from G       0, torch.optim.SGD
// Transfer: gradient, lr out depth / in; any batch rank (docs/theory/transfer.md).
// Conventions: sum momentum; decay coupled, G <- G + weight_decay W before (1).
// Differs from the original: a momentum_buffer that was given and is not zero counts as a past.
// Golden: sgd_nesterov.   References: torch.optim.SGD, PyTorch 1.13; I. Sutskever et al., "On the
// importance of initialization and momentum in deep learning", ICML 2013.
#pragma once

#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct Sgd {
  static constexpr RuleInfo info{
      .name = "sgd",
      .summary = "gradient descent with momentum: M = momentum M + G, D = M",
      .takes = Takes::tensors,
      .result = Result::direction,
      .decay = Decay::coupled,
      .adjust_lr = Scale::none,
      .lr = 1e-2,
      .traits = Trait::elementwise | Trait::orthogonal_equivariant | Trait::transpose_equivariant |
                Trait::zero_in_zero_out | Trait::descends,
      .transfer = {.family = "gradient", .step = {.gradient = 1}},
      .cite = "torch.optim.SGD",
      .differs = "a momentum_buffer that was given and is not zero counts as a past",
      .claims = {.memory = Memory::dampened, .direction = Direction::momentum}};

  struct Options {
    double momentum = 0;
    double dampening = 0;
    bool nesterov = false;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the sum of gradients");
      v.real("dampening", dampening, kUnit, "part of a gradient that the sum leaves out");
      v.boolean("nesterov", nesterov, "look one step ahead");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    void fields(StateVisitor<T>& v, const Options& o) {
      if (o.momentum != 0) v.like_weights("momentum_buffer", momentum_buffer);
    }
  };

  void check(const std::string& place) const {
    if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
      throw ConfigError({.place = place,
                         .what = "sgd with nesterov",
                         .expected = "momentum above 0 and dampening 0"});
    }
  }

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& B = state.momentum_buffer;
    if (B.size() == 0) {  // without momentum; a warmup may begin with 0 and keep what it sees
      D = at.G;
      return {};
    }
    const bool first = at.t == 0 && (B.array() == T(0)).all();
    // 0 + G is G: the first gradient is not dampened.
    const double part = first ? 1 : 1 - options.dampening;
    const MomentumStep momentum{options.momentum, part, options.nesterov};
    momentum.apply<T>(at.G, B, D);  // (1), (2)
    return {};
  }
};

inline const Enrolled<Sgd> enrolled_sgd;

}  // namespace muonflow::optim
