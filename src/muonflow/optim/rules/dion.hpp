// Dion: one step of power iteration on the momentum instead of its orthogonalization, at low rank;
// what the step leaves out stays in the momentum.
//
//   (1)  M <- M_{t-1} + G_t
//   (2)  P_t = orthonormal columns of M Q_{t-1}                      by QR
//   (3)  R_t = M' P_t
//   (4)  M_t = M - (1 - mu) P_t R_t'                                 error feedback
//   (5)  Q_t = columns of R_t, each divided by its norm + eps
//   (6)  D_t = P_t Q_t'                                              W <- W - lr scale D_t
//
//   symbol  field            shape        meaning                    default from
//   M       momentum_buffer  [out, in]    gradients not yet applied  -
//   Q       Q                [in, rank]   right basis                random orthonormal columns
//   mu      mu               -            what stays of the applied  0.95, Dion
//   rank    rank_fraction    -            ceil(rank_fraction r)      0.25; r = min(out, in)
//   eps     eps              -            guards the division        1e-8, Dion
// Transfer: orthogonal, lr sqrt(out / in), eps sqrt(in / out) / depth; any batch rank
// (docs/theory/transfer.md).
// Conventions: decay decoupled, before the step, by the learning rate without the shape scale;
// signs of the columns of P cancel in (4) and (6). Differs from the original: the rank is a
// fraction (dion_simple takes a number, 768); the first Q has orthonormal columns (dion_simple's
// are Gaussian: the same span, and (2) sees the span alone); QR in the precision of the weights
// (its in float32). Golden: dion, from the Q of the original.   References: K. Ahn et al.,
// arXiv:2504.05295; microsoft/dion, dion_simple.py.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/qr.hpp"
#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim {

struct Dion {
  static constexpr RuleInfo info{
      .name = "dion",
      .summary =
          "power iteration with error feedback: D = P Q', P = orth(M Q), Q = columns of M' P",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::spectral,
      .lr = 0.01,
      .products = 4,
      .traits = Trait::left_equivariant | Trait::scale_invariant | Trait::zero_in_zero_out |
                Trait::random | Trait::descends,
      .transfer = {.family = "orthogonal", .epsilon_option = "eps", .epsilon = {.gradient = 1}},
      .cite = "arXiv:2504.05295",
      .differs = "rank as a fraction; the first Q is orthonormal; QR in the weights' precision",
      .claims = {.direction = Direction::low_rank_polar}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"official",
       R"({"mu": 0.95, "rank_fraction": 0.25, "eps": 1e-8, "lr": 0.01, "weight_decay": 0.01,
           "adjust_lr": "spectral"})",
       "microsoft/dion, dion_simple.py, where the rank is a number instead of a fraction"},
  }};

  struct Options {
    double mu = 0.95;
    double rank_fraction = 0.25;
    double eps = 1e-8;
    void fields(FieldVisitor& v) {
      v.real("mu", mu, kUnit, "part of what is applied that stays in the momentum");
      v.real("rank_fraction", rank_fraction, {.lo = 0, .hi = 1, .lo_open = true},
             "rank of a step as a part of the shorter side, rounded up");
      v.real("eps", eps, kNonNegative, "added to the norms of the columns");
    }
    Index rank(Index rows, Index cols) const {
      return static_cast<Index>(
          std::ceil(rank_fraction * static_cast<double>(std::min(rows, cols))));
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> Q;
    void fields(StateVisitor<T>& v, const Options& o) {
      v.like_weights("momentum_buffer", momentum_buffer);
      v.matrix("Q", Q, v.cols(), o.rank(v.rows(), v.cols()));
    }
  };

  template <class T>
  void start(const StartContext<T>& at, State<T>& state) const {
    auto& Q = state.Q;
    const auto draw = [&at] { return static_cast<T>(at.rng.normal()); };
    Q = linalg::qr<T>(Matrix<T>::NullaryExpr(Q.rows(), Q.cols(), draw)).q;
  }

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    using linalg::Op;
    auto& M = state.momentum_buffer;
    auto& Q = state.Q;
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto P = frame.matrix(D.rows(), Q.cols());

    M += at.G;  // (1)
    linalg::gemm<T>(Op::none, Op::none, T(1), M, Q, T(0), P);
    const Outcome outcome = linalg::orthonormalize<T>(P, at.scratch);  // (2)
    if (!outcome.ok()) return outcome;
    linalg::gemm<T>(Op::transpose, Op::none, T(1), M, P, T(0), Q);  // (3), R in Q's place
    linalg::gemm<T>(Op::none, Op::transpose, static_cast<T>(options.mu - 1), P, Q, T(1), M);  // (4)
    linalg::divide_columns<T>(Q, 1, options.eps, at.scratch);                                 // (5)
    linalg::gemm<T>(Op::none, Op::transpose, T(1), P, Q, T(0), D);                            // (6)
    return {};
  }
};

inline const Enrolled<Dion> enrolled_dion;

}  // namespace muonflow::optim
