// DASGO: ASGO with a diagonal preconditioner. Momentum whose columns are divided by the root mean
// square of the gradient's columns.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  c_t = beta2 c_{t-1} + (1 - beta2) sum_i G_t[i, :]^2           c_0 = 0, not bias corrected
//   (3)  u_t = M_t[i, j] / sqrt(c_t[j] + eps)
//   (4)  D_t = 0.2 sqrt(out in) u_t / |u_t|_F                          W <- W - lr D_t
//
//   symbol  field            shape      meaning                          default from
//   M       momentum_buffer  [out, in]  gradient average                 -
//   c       c                [1, in]    average of squared column norms  -
//   -       momentum         -          weight of the past in M          0.9, official code
//   -       beta2            -          weight of the past in c          0.95, official code
//   eps     eps              -          keeps (3) bounded                1e-8, official code
// Transfer: root mean square, lr 1 / in, eps 1 / (out depth^2); batch rank below the width
// (docs/theory/transfer.md).
// Conventions: EMA momentum; decay decoupled, before the step; the scale to a root mean square of
// 0.2 is built in (AdamW's learning rates serve); columns on every shape; 0 / 0 is 0.
// Differs from the original: nothing but float32 or float64 all through.
// Golden: dasgo.   References: K. An et al., "ASGO: adaptive structured gradient optimization",
// arXiv:2503.20762.
#pragma once

#include <array>
#include <cmath>

#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct Dasgo {
  static constexpr RuleInfo info{
      .name = "dasgo",
      .summary =
          "momentum over the size of columns: D = 0.2 sqrt(mn) u / |u|, u = M / sqrt(c + eps)",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .scale_built_in = true,
      .lr = 1e-2,
      .products = 0,
      .traits = Trait::left_equivariant | Trait::descends | Trait::scale_invariant |
                Trait::zero_in_zero_out,
      .transfer = {.family = "root mean square",
                   .step = {.rows = 0.5, .cols = 0.5},
                   .epsilon_option = "eps",
                   .epsilon = {.gradient = 2, .cols = -1},
                   .beyond = -0.5},
      .cite = "arXiv:2503.20762",
      .claims = {.memory = Memory::ema, .direction = Direction::column_root}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"official",
       R"({"momentum": 0.9, "beta2": 0.95, "eps": 1e-8, "lr": 1e-2, "weight_decay": 0.1})",
       "infinity-stars/ASGO, its configuration for language models"},
  }};

  struct Options {
    double momentum = 0.9;
    double beta2 = 0.95;
    double eps = 1e-8;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average of gradients");
      v.real("beta2", beta2, kUnitBelowOne, "weight of the past in the average of norms");
      v.real("eps", eps, kNonNegative, "added to the norms under the root");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> c;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
      v.matrix("c", c, 1, v.cols());
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& M = state.momentum_buffer;
    auto& c = state.c;
    const T mu = static_cast<T>(options.momentum);
    const T beta2 = static_cast<T>(options.beta2);
    M = mu * M + static_cast<T>(1 - options.momentum) * at.G;  // (1)
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto norms = frame.template matrix<double>(1, M.cols());
    auto roots = frame.matrix(1, M.cols());
    linalg::column_norms<T>(at.G, norms);
    c = beta2 * c +
        static_cast<T>(1 - options.beta2) * norms.cwiseAbs2().template cast<T>();  // (2)
    roots.array() = (c.array() + static_cast<T>(options.eps)).sqrt();
    const auto bound = roots.replicate(M.rows(), 1).array();
    D.array() = (bound == T(0)).select(T(0), M.array() / bound);  // (3)
    const double norm = linalg::frobenius_norm<T>(D);
    if (norm > 0)
      D *= static_cast<T>(0.2 * std::sqrt(static_cast<double>(D.size())) / norm);  // (4)
    return {};
  }
};

inline const Enrolled<Dasgo> enrolled_dasgo;

}  // namespace muonflow::optim
