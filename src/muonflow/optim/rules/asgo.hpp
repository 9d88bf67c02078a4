// ASGO: momentum preconditioned on its smaller side by the inverse root of the gradient's Gram
// matrix, Muon with a memory in the Gram matrix.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  C_t = beta2 C_{t-1} + (1 - beta2) G_t G_t'  if out < in, else G_t' G_t;  C_0 = 0
//   (3)  u_t = C_t^(-1/2) M_t  if out < in, else M_t C_t^(-1/2)
//   (4)  D_t = 0.2 sqrt(out in) u_t / max(|u_t|_F, eps)                W <- W - lr D_t
//
//   symbol  field            shape      meaning                       default from
//   M       momentum_buffer  [out, in]  gradient average              -
//   C       C                [r, r]     Gram average, r = min(out, in)  -
//   -       momentum         -          weight of the past in M       0.9, official code
//   -       beta2            -          weight of the past in C       0.8, official code
//   eps     eps              -          keeps (4) bounded             1e-10, official code
// Transfer: root mean square, lr 1 / in; batch rank below the width (docs/theory/transfer.md).
// Conventions: EMA momentum, C without bias correction; decay decoupled, before the step; the scale
// to a root mean square of 0.2 is built in (AdamW's learning rates serve); a singular C has its
// pseudo-inverse root, eigenvalues up to max(out, in) machine epsilons of the largest counting as
// 0; zero momentum gives D = 0.
// Differs from the original: the exact inverse root instead of ten polynomial steps, as its
// inv_method _matrix_inverse_root_svd.
// Golden: asgo.   References: K. An et al., "ASGO: adaptive structured gradient optimization",
// arXiv:2503.20762.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/linalg/inverse_root.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/sides.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct Asgo {
  static constexpr RuleInfo info{
      .name = "asgo",
      .summary =
          "momentum over the root of a Gram average: D = 0.2 sqrt(mn) u / |u|, u = C^(-1/2) M",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .scale_built_in = true,
      .lr = 1e-2,
      .products = 15,
      .traits = Trait::descends | Trait::orthogonal_equivariant | Trait::scale_invariant |
                Trait::zero_in_zero_out,
      .transfer = {.family = "root mean square",
                   .step = {.rows = 0.5, .cols = 0.5},
                   .beyond = -0.5},
      .cite = "arXiv:2503.20762",
      .differs = "the exact inverse root instead of ten polynomial steps",
      .claims = {.memory = Memory::ema, .direction = Direction::gram_root}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"official",
       R"({"momentum": 0.9, "beta2": 0.8, "eps": 1e-10, "lr": 1e-2, "weight_decay": 0.1})",
       "infinity-stars/ASGO, its configuration for language models, with the exact inverse root"},
  }};

  struct Options {
    double momentum = 0.9;
    double beta2 = 0.8;
    double eps = 1e-10;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average of gradients");
      v.real("beta2", beta2, kUnitBelowOne, "weight of the past in the Gram matrix");
      v.real("eps", eps, kNonNegative, "least norm that the step is divided by");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> C;
    void fields(StateVisitor<T>& v, const Options&) {
      const Index r = std::min(v.rows(), v.cols());
      v.like_weights("momentum_buffer", momentum_buffer);
      v.matrix("C", C, r, r);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& M = state.momentum_buffer;
    auto& C = state.C;
    const auto side = M.rows() < M.cols() ? linalg::Side::left : linalg::Side::right;
    MomentumStep::average(options.momentum).apply<T>(at.G, M, D);       // (1)
    linalg::average_gram<T>(side, options.beta2, at.G, C, at.scratch);  // (2)
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto root = frame.matrix(C.rows(), C.cols());
    root = C;
    const double cutoff = static_cast<double>(std::max(M.rows(), M.cols())) *
                          static_cast<double>(std::numeric_limits<T>::epsilon());
    const Outcome outcome =
        linalg::inverse_root<T>(root, {.p = 2, .cutoff = std::min(cutoff, 0.5)}, at.scratch);
    if (!outcome.ok()) return outcome;
    linalg::multiply_side<T>(side, linalg::Op::none, root, D, at.scratch);  // (3)
    const double norm = linalg::frobenius_norm<T>(D);
    const double size = 0.2 * std::sqrt(static_cast<double>(D.size()));
    if (norm > 0) D *= static_cast<T>(size / std::max(norm, options.eps));  // (4)
    return {};
  }
};

inline const Enrolled<Asgo> enrolled_asgo;

}  // namespace muonflow::optim
