// Rules that are wrong on purpose: each takes the step of a rule of the catalogue, spoils one
// thing, and claims what that rule claims.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/rules/adamw.hpp"
#include "muonflow/optim/rules/dion.hpp"
#include "muonflow/optim/rules/ef_muon.hpp"
#include "muonflow/optim/rules/muon.hpp"
#include "muonflow/optim/rules/pion.hpp"
#include "muonflow/optim/rules/soap.hpp"
#include "muonflow/optim/shape_scale.hpp"
#include "tests/optim/audit/enrolled_wrong.hpp"

namespace muonflow::optim::wrong {

template <class T>
StepContext<T> with(const StepContext<T>& at, const ConstMatrixRef<T>& G) {
  return {at.W, G, at.lr, at.scale, at.t, at.rng, at.scratch};
}

// What spoils a step, whatever the rule.
struct ClippedAfter {
  static constexpr std::string_view kName = "wrong_clipped_after";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    const double norm = linalg::frobenius_norm<T>(D);
    if (norm > 1) D *= static_cast<T>(1 / norm);
    return result;
  }
};
struct SkippedPolar {
  static constexpr std::string_view kName = "wrong_skipped_polar";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    const T part = static_cast<T>(1 - rule.options.momentum);
    D = part * at.G + static_cast<T>(rule.options.momentum) * state.momentum_buffer;
    return result;
  }
};
struct AliasedMomentum {  // the buffer is worked on in place
  static constexpr std::string_view kName = "wrong_aliased_momentum";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    state.momentum_buffer = D;
    return result;
  }
};
struct MomentumIsGradient {  // the buffer is the gradient
  static constexpr std::string_view kName = "wrong_momentum_is_gradient";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    state.momentum_buffer = at.G;
    return result;
  }
};
struct FrozenMomentum {
  static constexpr std::string_view kName = "wrong_frozen_momentum";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    const Matrix<T> kept = state.momentum_buffer;
    auto result = rule.step(at, state, D);
    state.momentum_buffer = kept;
    return result;
  }
};
struct SeenTwice {
  static constexpr std::string_view kName = "wrong_seen_twice";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    const Matrix<T> twice = 2 * at.G;
    return rule.step(with<T>(at, twice), state, D);
  }
};
struct Flipped {
  static constexpr std::string_view kName = "wrong_flipped";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    D = -D;
    return result;
  }
};
struct RateTwice {
  static constexpr std::string_view kName = "wrong_rate_twice";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    D *= static_cast<T>(at.lr);
    return result;
  }
};
struct TransposedScale {
  static constexpr std::string_view kName = "wrong_transposed_scale";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    const double turned = shape_scale(R::info.adjust_lr, D.cols(), D.rows());
    D *= static_cast<T>(turned / at.scale);
    return result;
  }
};
struct Transposed {  // a square matrix read by columns
  static constexpr std::string_view kName = "wrong_transposed";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    const Matrix<T> turned = D.transpose();
    D = turned;
    return result;
  }
};
struct SomeRows {
  static constexpr std::string_view kName = "wrong_some_rows";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    D.bottomRows(1).setZero();
    return result;
  }
};
struct OneEntry {
  static constexpr std::string_view kName = "wrong_one_entry";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    D(0, 0) = 0;
    return result;
  }
};
struct Truncated {  // the smallest singular value is lost
  static constexpr std::string_view kName = "wrong_truncated";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    const Matrix<T> whole = D;
    auto svd = linalg::svd<T>(whole);
    svd.s[svd.s.size() - 1] = 0;
    D = svd.u * svd.s.asDiagonal() * svd.vt;
    return result;
  }
};
struct OneStepLess {  // a polynomial step is missing
  static constexpr std::string_view kName = "wrong_one_step_less";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto fewer = rule;
    fewer.options.polar.ns_steps = 4;
    return fewer.step(at, state, D);
  }
};
struct WrongOrder {  // b x + a x^3 + c x^5
  static constexpr std::string_view kName = "wrong_order";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto other = rule;
    const auto count = static_cast<std::size_t>(rule.options.polar.step_count());
    other.options.polar.steps.assign(count, {-4.7750, 3.4445, 2.0315});
    return other.step(at, state, D);
  }
};
struct ReversedSteps {  // the last of the five first
  static constexpr std::string_view kName = "wrong_reversed_steps";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto other = rule;
    for (std::int64_t k = rule.options.polar.step_count(); k > 0; --k) {
      other.options.polar.steps.push_back(rule.options.polar.step(k - 1));
    }
    return other.step(at, state, D);
  }
};
struct NoNesterov {
  static constexpr std::string_view kName = "wrong_no_nesterov";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto other = rule;
    other.options.nesterov = false;
    return other.step(at, state, D);
  }
};
struct SumForAverage {
  static constexpr std::string_view kName = "wrong_sum_for_average";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto other = rule;
    other.options.momentum_form = MomentumForm::sum;
    return other.step(at, state, D);
  }
};
struct StaleGradient {  // the gradient of the step before
  static constexpr std::string_view kName = "wrong_stale_gradient";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    static Matrix<T> last;  // one tensor a test
    const Matrix<T> given = at.t == 0 ? Matrix<T>(at.G) : last;
    last = at.G;
    return rule.step(with<T>(at, given), state, D);
  }
};

// Adam's own ways to go wrong.
template <class T, class R, class S, class F>
StepResult adam(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D,
                const F& quotient) {
  auto result = rule.step(at, state, D);
  const auto t = static_cast<double>(at.t + 1);
  const auto [b1, b2] = rule.options.betas;
  for (Index i = 0; i < D.rows(); ++i) {
    for (Index j = 0; j < D.cols(); ++j) {
      D(i, j) = static_cast<T>(quotient(static_cast<double>(state.exp_avg(i, j)),
                                        static_cast<double>(state.exp_avg_sq(i, j)),
                                        1 - std::pow(b1, t), 1 - std::pow(b2, t)));
    }
  }
  return result;
}
struct NoBiasCorrection {
  static constexpr std::string_view kName = "wrong_no_bias_correction";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    return adam<T>(rule, at, state, D,
                   [](double m, double v, double, double) { return m / (std::sqrt(v) + 1e-8); });
  }
};
struct EpsUnderRoot {
  static constexpr std::string_view kName = "wrong_eps_under_root";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    return adam<T>(rule, at, state, D, [&](double m, double v, double c1, double c2) {
      return m / c1 / std::sqrt(v / c2 + rule.options.eps);
    });
  }
};
struct StepOfBefore {  // the count of steps begins at 0
  static constexpr std::string_view kName = "wrong_step_of_before";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    const StepContext<T> later{at.W, at.G, at.lr, at.scale, at.t + 1, at.rng, at.scratch};
    return rule.step(later, state, D);
  }
};

// SOAP's.
struct UnrotatedMoment {  // M stays in the bases of before
  static constexpr std::string_view kName = "wrong_unrotated_moment";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    const Matrix<T> L = state.QL, M = state.QR;
    auto result = rule.step(at, state, D);
    if (at.t > 0 && at.t % rule.options.precondition_frequency == 0) {
      // What M was in the old bases.
      const Matrix<T> out = state.QL * state.exp_avg * state.QR.transpose();
      state.exp_avg = L.transpose() * out * M;
    }
    return result;
  }
};
struct TransposedBasis {
  static constexpr std::string_view kName = "wrong_transposed_basis";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    if (at.t == 0) {
      const Matrix<T> turned = state.QL.transpose();
      state.QL = turned;
    }
    return result;
  }
};
struct FrozenStatistic {
  static constexpr std::string_view kName = "wrong_frozen_statistic";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    const Matrix<T> kept = state.L;
    auto result = rule.step(at, state, D);
    if (at.t > 0) state.L = kept;
    return result;
  }
};

// Weights and errors of the rest.
struct ErrorForgotten {  // EF-Muon without feedback
  static constexpr std::string_view kName = "wrong_error_forgotten";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    state.error.setZero();
    return result;
  }
};
struct Stretched {  // Pion's weights grow a little
  static constexpr std::string_view kName = "wrong_stretched";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    D *= static_cast<T>(1 + 0.05 * at.lr);
    return result;
  }
};
struct LowerRank {  // Dion's last column is left out of the step
  static constexpr std::string_view kName = "wrong_lower_rank";
  template <class R, class T, class S>
  static StepResult step(const R& rule, const StepContext<T>& at, S& state, MatrixRef<T> D) {
    auto result = rule.step(at, state, D);
    // D = P Q' with orthonormal P, whose last column goes.
    const Index last = state.Q.cols() - 1;
    const Matrix<T> whole = D;
    const auto svd = linalg::svd<T>(whole);
    D -= svd.u.col(last) * svd.s[last] * svd.vt.row(last);
    return result;
  }
};

}  // namespace muonflow::optim::wrong
