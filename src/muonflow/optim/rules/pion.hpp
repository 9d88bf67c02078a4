// Pion: weights are turned, never stretched. Both sides of W are multiplied by rotations whose
// generators are Adam steps for the skew parts of the gradient, so its singular values stay.
//
//   (1)  X_in = W' G - G' W,  X_out = G W' - W G'                       skew-symmetric
//   (2)  m = beta1 m + (1 - beta1) X,  v = beta2 v + (1 - beta2) X^2    for each side, every step
//   (3)  A = -m / (sqrt(v) + eps)                                       for each side
//   (4)  alpha = rms sqrt(out in) / (|A_out W + W A_in|_F + 1e-12)      of the sides that move
//   (5)  W <- E(lr alpha A_out) W E(lr alpha A_in)                      E by retraction
//
//   symbol        field           shape                 meaning                    default from
//   m, v          m_in, v_in      [in, in]              moments of the in side     -
//   m, v          m_out, v_out    [out, out]            moments of the out side    -
//   beta1, beta2  betas           -                     weights of the past        0.9, 0.95
//   eps           eps             -                     keeps (3) bounded          1e-8
//   -             rms             -                     RMS of the change over lr  0.2, official
//   E             retraction      -                     taylor2 I + X + X^2 / 2    official
//   -             sides           -                     alternating: in first      official
// Transfer: root mean square, lr 1 / in, eps 1 / (sqrt(out in) depth); batch rank below the width
// (docs/theory/transfer.md).
// Conventions: no bias correction; decay decoupled, before the step (none is usual: the norm of W
// cannot grow); the scale by shape is built in; where eps = 0 and v = 0, A = 0. cayley and exp keep
// singular values to roundoff; taylor2 lets them drift by (lr alpha |A|)^4 / 8 a step at most.
// Differs from the original: nothing in the form it calls lie_lie with a second moment; its other
// momentum (in the space of W, carried along) is not here.
// Golden: pion_both, pion_alternating.   References: K. Shi et al., "Pion", arXiv:2605.12492.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/skew_exponential.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

enum class PionSides { both, alternating };

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::PionSides> {
  static constexpr std::array<std::string_view, 2> names{"both", "alternating"};
};

namespace muonflow::optim {

struct Pion {
  static constexpr RuleInfo info{
      .name = "pion",
      .summary = "turns the weights and keeps their singular values: W <- E(lr A_out) W E(lr A_in)",
      .takes = Takes::matrices,
      .result = Result::weights,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .scale_built_in = true,
      .lr = 1e-3,
      .products = 27,
      .traits = Trait::scale_invariant | Trait::zero_in_zero_out | Trait::counts_steps,
      .transfer = {.family = "root mean square",
                   .step = {.rows = 0.5, .cols = 0.5},
                   .epsilon_option = "eps",
                   .epsilon = {.gradient = 1, .cols = -1},
                   .beyond = -0.5},
      .cite = "arXiv:2605.12492",
      .differs =
          "nothing in its lie_lie form; its momentum in the space of the weights is left out",
      .claims = {.direction = Direction::turn}};

  static constexpr std::array<RulePreset, 2> presets{{
      {"alternating",
       R"({"betas": [0.9, 0.95], "eps": 1e-8, "rms": 0.2, "retraction": "taylor2",
           "sides": "alternating", "lr": 1e-3})",
       "Sphere-AI-Lab/pion for Megatron: lie_lie with second moment, one side a step"},
      {"bilateral",
       R"({"betas": [0.9, 0.95], "eps": 1e-8, "rms": 0.2, "retraction": "taylor2",
           "sides": "both", "lr": 1e-3})",
       "Sphere-AI-Lab/pion for Megatron: lie_lie with second moment, both sides each step"},
  }};

  struct Options {
    std::array<double, 2> betas{0.9, 0.95};
    double eps = 1e-8;
    double rms = 0.2;
    linalg::SkewMap retraction = linalg::SkewMap::taylor2;
    PionSides sides = PionSides::alternating;
    void fields(FieldVisitor& v) {
      v.reals("betas", betas, kUnitBelowOne, "weights of the past in both moments");
      v.real("eps", eps, kNonNegative, "added to the root of the second moment");
      v.real("rms", rms, kPositive, "root mean square of the change of an entry, over lr");
      v.choice("retraction", retraction, "how a generator becomes a rotation");
      v.choice("sides", sides, "which sides turn in a step");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> m_in, v_in, m_out, v_out;
    void fields(StateVisitor<T>& v, const Options&) {
      v.matrix("m_in", m_in, v.cols(), v.cols());
      v.matrix("v_in", v_in, v.cols(), v.cols());
      v.matrix("m_out", m_out, v.rows(), v.rows());
      v.matrix("v_out", v_out, v.rows(), v.rows());
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    using linalg::Op;
    const Index m = D.rows(), n = D.cols();
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto in = frame.matrix(n, n);
    auto out = frame.matrix(m, m);
    linalg::gemm<T>(Op::transpose, Op::none, T(1), at.W, at.G, T(0), in);   // (1)
    linalg::gemm<T>(Op::none, Op::transpose, T(1), at.G, at.W, T(0), out);  // (1)
    generator<T>(in, state.m_in, state.v_in);
    generator<T>(out, state.m_out, state.v_out);
    const bool both = options.sides == PionSides::both;
    const bool turn_in = both || at.t % 2 == 0;
    const bool turn_out = both || at.t % 2 == 1;
    D.setZero();
    if (turn_in) linalg::gemm<T>(Op::none, Op::none, T(1), at.W, in, T(1), D);
    if (turn_out) linalg::gemm<T>(Op::none, Op::none, T(1), out, at.W, T(1), D);
    const double size = std::sqrt(static_cast<double>(m) * static_cast<double>(n));
    const double alpha = options.rms * size / (linalg::frobenius_norm<T>(D) + 1e-12);  // (4)
    in *= static_cast<T>(at.lr * at.scale * alpha);
    out *= static_cast<T>(at.lr * at.scale * alpha);
    D = at.W;
    Outcome outcome;
    using linalg::Side, linalg::turn;
    if (turn_in) outcome = turn<T>(Side::right, options.retraction, in, D, at.scratch);  // (5)
    if (turn_out && outcome.ok()) {
      outcome = turn<T>(Side::left, options.retraction, out, D, at.scratch);  // (5)
    }
    return outcome;
  }

 private:
  // x is half of (1) and becomes A.
  template <class T>
  void generator(MatrixRef<T> x, Matrix<T>& m, Matrix<T>& v) const {
    const auto [beta1, beta2] = options.betas;
    const T eps = static_cast<T>(options.eps);
    const auto skew = x - x.transpose();                               // (1), where it is read
    m = static_cast<T>(beta1) * m + static_cast<T>(1 - beta1) * skew;  // (2)
    v = static_cast<T>(beta2) * v + static_cast<T>(1 - beta2) * skew.cwiseAbs2();  // (2)
    x.array() = v.array().sqrt() + eps;                                            // (3)
    x.array() = (x.array() == T(0)).select(T(0), -m.array() / x.array());          // (3)
  }
};

inline const Enrolled<Pion> enrolled_pion;

}  // namespace muonflow::optim
