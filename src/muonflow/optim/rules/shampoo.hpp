// Shampoo: momentum between inverse roots of the averaged Gram matrices of both its sides.
//
//   (1)  M_t = beta1 M_{t-1} + (1 - beta1) G_t
//   (2)  L_t = beta2 L_{t-1} + (1 - beta2) G_t G_t',  R_t with G_t' G_t      L_0 = R_0 = 0
//   (3)  P_L = (S + epsilon |S|_op I)^(-k),  S = L_t / (1 - beta2^t);  P_R likewise; every
//        precondition_frequency steps, the first included                   t from 1
//   (4)  u_t = P_L M_t P_R / (1 - beta1^t)              one_sided: the named side alone
//   (5)  D_t = a u_t / (|u_t|_F + 1e-8), a by grafting; none: D_t = u_t     W <- W - lr scale D_t
//        adam: the norm of Adam's step (beta1, beta2, eps 1e-8);  rms: 0.2 sqrt(out in)
//
//   symbol        field            shape                meaning                  default from
//   M             momentum_buffer  [out, in]            gradient average         -
//   L, R          L, R             [out, out], [in, in] Gram averages            -
//   P_L, P_R      L_root, R_root   the same             kept between (3)         -
//   -             exp_avg_sq       [out, in]            Adam's second moment     for grafting adam
//   beta1, beta2  beta1, beta2     -                    weights of the past      0.9, 0.95
//   k             k                -                    exponent of each side    0.25, Gupta 2018
//   epsilon       epsilon          -                    ridge, relative          1e-12
// Transfer: root mean square, lr 1 / in, batch rank below the width; without grafting spectral
// power, lr (out / in)^(1 - E) depth^(1 - 2 E), E = 2 k for two sides and k for one, any batch rank
// (docs/theory/transfer.md).
// Conventions: statistics from 0 and bias corrected, momentum too; decay decoupled, before the
// step; a zero statistic has a zero root. With block_size b, blocks of at most b x b have L and R
// of their own, [ceil(in / b) out, b] and [ceil(out / b) in, b] one after the other; grafting is
// over the whole matrix. Float statistics know eigenvalues to 1e-7 of the largest: for k = 1/2
// without grafting a smaller epsilon makes noise of a singular statistic.
// Differs from the original: averages instead of sums (the original, 2018, is the limit of beta2 to
// 1). Beside charliezchen/scaling-matrix-preconditioning: exact roots; statistics start at 0, there
// at the ridge.
// Golden: shampoo_quarter_adam, shampoo_half_adam, shampoo_half_none.
// References: V. Gupta et al., arXiv:1802.09568; R. Anil et al., arXiv:2002.09018; S. Qiu et al.,
// arXiv:2512.05620.
#pragma once

#include <array>
#include <cmath>
#include <optional>

#include "muonflow/linalg/inverse_root.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/sides.hpp"
#include "muonflow/optim/detail/adam_norm.hpp"
#include "muonflow/optim/detail/blocks.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

enum class ShampooGrafting { none, adam, rms };
enum class OneSided { none, left, right };

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ShampooGrafting> {
  static constexpr std::array<std::string_view, 3> names{"none", "adam", "rms"};
};
template <>
struct muonflow::EnumNames<muonflow::optim::OneSided> {
  static constexpr std::array<std::string_view, 3> names{"none", "left", "right"};
};

namespace muonflow::optim {

struct Shampoo {
  static constexpr RuleInfo info{
      .name = "shampoo",
      .summary = "momentum between inverse roots of both Gram averages: D = L^(-k) M R^(-k)",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::none,
      .lr = 1e-2,
      .products = 40,
      .traits = Trait::descends | Trait::transpose_equivariant | Trait::scale_invariant |
                Trait::zero_in_zero_out | Trait::counts_steps,
      .transfer = {.family = "root mean square",
                   .step = {.rows = 0.5, .cols = 0.5},
                   .beyond = -0.5},
      .cite = "arXiv:1802.09568",
      .differs = "averages instead of sums; exact roots; statistics start at 0",
      .claims = {.direction = Direction::two_sided_roots}};

  static constexpr std::array<RulePreset, 2> presets{{
      {"quarter",
       R"({"beta1": 0.9, "beta2": 0.95, "k": 0.25, "epsilon": 1e-12, "precondition_frequency": 1,
           "grafting": "adam", "lr": 1e-2})",
       "charliezchen/scaling-matrix-preconditioning, its grafted Shampoo, arXiv:2512.05620"},
      {"half",
       R"({"beta1": 0.9, "beta2": 0.95, "k": 0.5, "epsilon": 1e-12, "precondition_frequency": 1,
           "grafting": "adam", "lr": 1e-2})",
       "charliezchen/scaling-matrix-preconditioning, its grafted Shampoo of exponent 1/2"},
  }};

  struct Options {
    double beta1 = 0.9, beta2 = 0.95;
    double k = 0.25;
    double epsilon = 1e-12;
    std::int64_t precondition_frequency = 1;
    ShampooGrafting grafting = ShampooGrafting::adam;
    std::optional<std::int64_t> block_size{};
    OneSided one_sided = OneSided::none;
    void fields(FieldVisitor& v) {
      v.real("beta1", beta1, kUnitBelowOne, "weight of the past in the average of gradients");
      v.real("beta2", beta2, kUnitBelowOne, "weight of the past in both Gram matrices");
      v.real("k", k, {.lo = 1e-6, .hi = 1e6}, "exponent of the inverse root of each side");
      v.real("epsilon", epsilon, kNonNegative, "ridge over the largest eigenvalue");
      v.integer("precondition_frequency", precondition_frequency, {.lo = 1},
                "steps between two computations of the roots");
      v.choice("grafting", grafting, "whose size the step has");
      v.optional_integer("block_size", block_size, {.lo = 1}, "largest block; off: no blocks");
      v.choice("one_sided", one_sided, "the only side to precondition");
    }
    bool left() const { return one_sided != OneSided::right; }
    bool right() const { return one_sided != OneSided::left; }
  } options;

  // Without grafting D is of degree 1 - 2 E in G, E = 2 k for two sides and k for one.
  Transfer transfer(Index, Index) const {
    Transfer own = info.transfer;
    if (options.grafting != ShampooGrafting::none) return own;
    const double E = options.one_sided == OneSided::none ? 2 * options.k : options.k;
    own.family = "spectral power";
    own.step = {.gradient = 1 - 2 * E};
    own.beyond = 0;
    own.block_size = options.block_size;
    return own;
  }

  template <class T>
  struct State {
    Matrix<T> momentum_buffer, exp_avg_sq, L, R, L_root, R_root;
    void fields(StateVisitor<T>& v, const Options& o) {
      const detail::Blocks cut(v.rows(), v.cols(), o.block_size);
      const bool keep = o.precondition_frequency > 1;
      v.like_weights("momentum_buffer", momentum_buffer);
      if (o.grafting == ShampooGrafting::adam) v.like_weights("exp_avg_sq", exp_avg_sq);
      if (o.left()) v.matrix("L", L, cut.left_rows(), cut.left_cols());
      if (o.right()) v.matrix("R", R, cut.right_rows(), cut.right_cols());
      if (o.left() && keep) v.matrix("L_root", L_root, cut.left_rows(), cut.left_cols());
      if (o.right() && keep) v.matrix("R_root", R_root, cut.right_rows(), cut.right_cols());
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& M = state.momentum_buffer;
    M = static_cast<T>(options.beta1) * M + static_cast<T>(1 - options.beta1) * at.G;  // (1)
    D = static_cast<T>(debias_of(options.beta1, at.t)) * M;
    Outcome outcome;
    detail::for_each_block({D.rows(), D.cols(), options.block_size}, [&](const detail::Block& b) {
      const ConstMatrixRef<T> G = at.G.block(b.row, b.col, b.rows, b.cols);
      MatrixRef<T> u = D.block(b.row, b.col, b.rows, b.cols);
      if (options.left() && outcome.ok()) {
        outcome = side<T>(linalg::Side::left, at, G, state.L, state.L_root, b.left_row, u);
      }
      if (options.right() && outcome.ok()) {
        outcome = side<T>(linalg::Side::right, at, G, state.R, state.R_root, b.right_row, u);
      }
    });
    if (outcome.ok()) graft(at, state, D);
    return outcome;
  }

 private:
  // (2) to (4) for one side of one block, whose statistic begins at a row of S.
  template <class T>
  Outcome side(linalg::Side side, const StepContext<T>& at, const ConstMatrixRef<T>& G,
               Matrix<T>& S, Matrix<T>& kept, Index row, MatrixRef<T> u) const {
    const Index n = side == linalg::Side::left ? G.rows() : G.cols();
    linalg::average_gram<T>(side, options.beta2, G, S.block(row, 0, n, n), at.scratch);  // (2)
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto fresh = frame.matrix(kept.size() ? 0 : n, n);
    MatrixRef<T> P = kept.size() ? MatrixRef<T>(kept.block(row, 0, n, n)) : MatrixRef<T>(fresh);
    if (at.t % options.precondition_frequency == 0) {
      P = static_cast<T>(debias_of(options.beta2, at.t)) * S.block(row, 0, n, n);
      const linalg::InverseRoot root{
          .p = 1 / options.k, .ridge = options.epsilon, .ridge_mode = linalg::RidgeMode::relative};
      const Outcome outcome = linalg::inverse_root<T>(P, root, at.scratch);  // (3)
      if (!outcome.ok()) return outcome;
    }
    linalg::multiply_side<T>(side, linalg::Op::none, P, u, at.scratch);  // (4)
    return {};
  }

  template <class T>
  void graft(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    if (options.grafting == ShampooGrafting::none) return;
    double size = 0.2 * std::sqrt(static_cast<double>(D.size()));
    if (options.grafting == ShampooGrafting::adam) {
      const detail::AdamNorm adam{options.beta1, options.beta2, 1e-8};
      size = adam(state.momentum_buffer, state.exp_avg_sq, at.G, at.t);
    }
    D *= static_cast<T>(size / (linalg::frobenius_norm<T>(D) + 1e-8));  // (5)
  }

  static double debias_of(double beta, std::int64_t t) {
    return 1 / (1 - std::pow(beta, static_cast<double>(t + 1)));
  }
};

inline const Enrolled<Shampoo> enrolled_shampoo;

}  // namespace muonflow::optim
