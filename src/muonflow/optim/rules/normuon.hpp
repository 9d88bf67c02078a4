// NorMuon: Muon whose rows (neurons) are brought to equal size by a second moment, then the whole
// back to the size it had.
//
//   (1)  M_t = momentum M_{t-1} + (1 - momentum) G_t
//   (2)  O_t = five Jordan steps of (1 - momentum) G_t + momentum M_t
//   (3)  v_t = beta2 v_{t-1} + (1 - beta2) mean of O_t^2 over each row
//   (4)  P_t = O_t / (sqrt(v_t) + eps), each row by its own
//   (5)  D_t = P_t |O_t|_F / (|P_t|_F + eps)                         W <- W - lr scale D_t
//
//   symbol  field            shape      meaning                        default from
//   M       momentum_buffer  [out, in]  gradient average               -
//   v       second_momentum  [out, 1]   mean square of each row of O   -
//   -       momentum, beta2  -          weights of the past            0.95, 0.95, NorMuon
//   eps     eps              -          guards both divisions          1e-10, NorMuon
// Transfer: orthogonal, lr sqrt(out / in), eps 1 / sqrt(out in); any batch rank
// (docs/theory/transfer.md).
// Conventions: rows = outputs = neurons; Nesterov; v from 0 without bias correction, which (5)
// would cancel; the steps of (2) add 1e-7 to the norm; decay decoupled, before the step; O = 0
// gives 0. Differs from the original: float32 or float64 iterations instead of bfloat16; a
// convolution is the matrix [out, rest] in (3) to (5) (NorMuon's code takes its last dimension for
// the rows); a missing gradient leaves the tensor alone (it steps by zeros). The paper's own scale,
// RMS 0.2, is adjust_lr match_rms_adamw up to the size of O. Golden: normuon.   References: Z. Li
// et al., arXiv:2510.05491; zichongli5/NorMuon.
#pragma once

#include <array>

#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/momentum.hpp"

namespace muonflow::optim {

struct NorMuon {
  static constexpr RuleInfo info{
      .name = "normuon",
      .summary = "Muon with rows of equal size: D = polar(M) / sqrt(v), its norm restored",
      .takes = Takes::matrices,
      .result = Result::direction,
      .decay = Decay::before,
      .adjust_lr = Scale::original,
      .lr = 0.02,
      .traits = Trait::right_equivariant | Trait::scale_invariant | Trait::zero_in_zero_out |
                Trait::descends,
      .transfer = {.family = "orthogonal",
                   .epsilon_option = "eps",
                   .epsilon = {.rows = -0.5, .cols = -0.5}},
      .cite = "arXiv:2510.05491",
      .differs =
          "float32 or float64 instead of bfloat16; rows of a convolution are those of "
          "[out, rest]; a missing gradient leaves the tensor alone",
      .claims = {
          .memory = Memory::ema, .direction = Direction::row_scaled_polar, .nesterov = true}};

  static constexpr std::array<RulePreset, 1> presets{{
      {"official",
       R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-10, "lr": 0.02, "adjust_lr": "original"})",
       "zichongli5/NorMuon with its defaults"},
  }};

  struct Options {
    double momentum = 0.95;
    double beta2 = 0.95;
    double eps = 1e-10;
    void fields(FieldVisitor& v) {
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the gradient average");
      v.real("beta2", beta2, kUnitBelowOne, "weight of the past in the rows' mean square");
      v.real("eps", eps, kNonNegative, "added to the root and to the norm");
    }
  } options;

  template <class T>
  struct State {
    Matrix<T> momentum_buffer;
    Matrix<T> second_momentum;
    void fields(StateVisitor<T>& v, const Options&) {
      v.like_weights("momentum_buffer", momentum_buffer);
      v.matrix("second_momentum", second_momentum, v.rows(), 1);
    }
  };

  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    auto& v = state.second_momentum;
    const auto momentum = MomentumStep::average(options.momentum, true);
    momentum.apply<T>(at.G, state.momentum_buffer, D);                                       // (1)
    const Outcome outcome = geometry::nuclear::steepest<T>(D, linalg::Polar{}, at.scratch);  // (2)
    if (!outcome.ok()) return outcome;

    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto norms = frame.template matrix<double>(D.rows(), 1);
    auto by = frame.matrix(D.rows(), 1);
    linalg::row_norms<T>(D, norms);
    const double before = norms.norm();
    norms = norms.cwiseAbs2() * ((1 - options.beta2) / static_cast<double>(D.cols()));
    v = static_cast<T>(options.beta2) * v + norms.template cast<T>();  // (3)
    by = v.cwiseSqrt().array() + static_cast<T>(options.eps);
    by = (by.array() == T(0)).select(T(0), by.cwiseInverse());
    D.array().colwise() *= by.col(0).array();  // (4)
    const double after = linalg::frobenius_norm<T>(D) + options.eps;
    if (after > 0) D *= static_cast<T>(before / after);  // (5)
    return {};
  }
};

inline const Enrolled<NorMuon> enrolled_normuon;

}  // namespace muonflow::optim
