// relaxed: leapfrog whose step is lengthened or shortened by a factor theta near 1, so that the
// energy ledger closes to round-off. Explicit, order 2.
//
//   a = gamma h / 2
//   (1)  P_0 = e^-a M                                     exact damping over h/2
//   (2)  P = P_0 + (1 - e^-a) G(W_0),  dW = -h grad Phi(P),  dP = P - P_0 + (e^a - 1) G(W_0 + dW)
//   (3)  W = W_0 + theta dW,  P_1 = P_0 + theta dP,       E(W, P_1) = E(W_0, P_0), theta near 1
//   (4)  M = e^{-gamma h (theta - 1/2)} P_1               exact damping over the rest of theta h
//   time advances by theta h; dissipated: the kinetic energy lost in (1) and (4)
//
// (1), (2), (4) with theta = 1 are leapfrog. Between the dampings the exact flow keeps E, and so
// does (3): the dampings alone spend energy. Relaxation in the sense of Ketcheson (2019) and
// Ranocha et al. (2020), here of the conservative part alone. E along the chord is r(theta) = r(1)
// theta + kappa h^2 theta (theta - 1) + ..., r(1) = O(h^3): theta - 1 = O(h), which keeps the order
// because the time is relaxed too. kappa, half the curvature of E along the velocity, is positive
// where J is convex; where it passes through 0 there is no root near 1. The momentum of (2) is then
// scaled,
//   (3') W = W_0 + dW,  P_1 = sigma (P_0 + dP),           E(W, P_1) = E(W_0, P_0), sigma near 1,
// sigma - 1 = O(h^3), and time advances by h. A step with neither root is tried again at half its
// length; after kHalvings of them it is not_converged.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"
#include "muonflow/flow/detail/reductions.hpp"

namespace muonflow::flow {

template <class T>
class Relaxed final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{
      .name = "relaxed",
      .order = 2,
      .gradients_per_step = 4,  // the leapfrog's, and about three for the root
      .momentum_free = false,
      .shares = true,
      .relaxes_time = true,
      .closes_ledger = true,
      .dissipation = "the kinetic energy lost in the two exactly damped parts of the relaxed step",
      .cite = "Ketcheson 2019; Ranocha et al. 2020; arXiv:2605.23871"};

  explicit Relaxed(const IntegratorOptions& options) : max_iterations_(options.max_iterations) {}
  const IntegratorInfo& info() const override { return kInfo; }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    const auto tried = attempt_shorter(system, h, state);
    if (tried.outcome.ok()) commit(state);
    return tried;
  }

  // Looks for the length whose relaxed step ends exactly after `h`.
  StepOutcome last_step(const System<T>& system, double h, State<T>& state) override {
    double length = h, before = 0, miss_before = 0;
    for (int k = 0; k < 8; ++k) {
      auto tried = attempt_shorter(system, length, state);
      const double miss = tried.elapsed - h;
      const bool landed = std::abs(miss) <= kSameTime * h;
      // A step that had to be halved far from the end is a step like any other.
      if (!tried.outcome.ok() || landed || tried.elapsed < 0.7 * h) {
        if (landed) tried.elapsed = h;
        if (tried.outcome.ok()) commit(state);
        return tried;
      }
      const double slope =
          k == 0 ? tried.elapsed / length : (miss - miss_before) / (length - before);
      before = length;
      miss_before = miss;
      length -= miss / (slope > 0.2 && slope < 5 ? slope : 1.0);
    }
    return step(system, h / 2, state);  // no such length: come closer first
  }

 private:
  static constexpr int kHalvings = 20;
  static constexpr double kFarthest = 0.4;    // of theta or sigma from 1
  static constexpr double kSameTime = 1e-10;  // a tenth of what simulate() takes for equal
  static constexpr double kEps = std::numeric_limits<T>::epsilon();

  StepOutcome attempt_shorter(const System<T>& system, double h, const State<T>& state) {
    StepOutcome tried;
    for (int k = 0; k <= kHalvings; ++k, h /= 2) {
      tried = attempt(system, h, state);
      if (tried.outcome.status != Status::not_converged) break;
    }
    return tried;
  }

  // One step of this length from `state`, left in the members.
  StepOutcome attempt(const System<T>& system, double h, const State<T>& state) {
    const double gamma = system.gamma();
    const double decay = std::exp(-gamma * h / 2);
    double start = state.scaled_potential;  // mean Phi(P_0)
    if (state.scale != decay) {
      const std::array scales{decay};
      if (auto o = system.potentials(state.M, scales, {&start, 1}); !o.ok()) return {.outcome = o};
    }
    target_ = state.objective + start / gamma;
    if (auto o = leap(system, h, decay, state); !o.ok()) return {.outcome = o};
    double theta = 1;
    if (auto o = solve(system, state, theta); !o.ok()) return {.outcome = o};

    const auto rest = static_cast<T>(std::exp(-gamma * h * (theta - 0.5)));
    const double before_damping = potential_;
    M_.resize(P_.rows(), P_.cols());
    detail::combine(rest, P_, T{0}, P_, M_);  // (4)
    scale_ = decay;
    const std::array scales{1.0, decay};
    std::array<double, 2> at{};
    if (auto o = system.potentials(M_, scales, at); !o.ok()) return {.outcome = o};
    potential_ = at[0];
    scaled_potential_ = at[1];
    const double lost = (state.potential - start) + (before_damping - potential_);
    return {.elapsed = theta * h, .dissipated = lost / gamma};
  }

  // (1) and (2): dW, dP, and the defect and its slope at theta = 1.
  Outcome leap(const System<T>& system, double h, double decay, const State<T>& state) {
    const auto keep = static_cast<T>(decay);
    const double a = system.gamma() * h / 2;
    detail::combine(keep, state.M, T{0}, state.M, P_start_);
    detail::add_scaled(P_start_, static_cast<T>(-std::expm1(-a)), state.G, P_);
    Kinetic kinetic;
    if (auto o = system.velocity(P_, V_, kinetic); !o.ok()) return o;
    detail::add_scaled(state.W, -static_cast<T>(h), V_, W_);
    if (auto o = system.force(W_, G_, objective_); !o.ok()) return o;
    detail::add_scaled(P_, static_cast<T>(std::expm1(a)), G_, P_);
    detail::add_scaled(W_, T{-1}, state.W, dW_);
    detail::add_scaled(P_, T{-1}, P_start_, dP_);
    if (auto o = system.velocity(P_, V_, kinetic); !o.ok()) return o;
    potential_ = kinetic.potential;
    const auto particles = static_cast<double>(system.layout().total());
    slope_ = (detail::inner(system, G_, dW_) + detail::inner(system, V_, dP_) / system.gamma()) /
             particles;
    return {};
  }

  // (3), else (3'); on success W_, P_, G_, objective_ and potential_ are those of the root.
  Outcome solve(const System<T>& system, const State<T>& state, double& theta) {
    const double gamma = system.gamma();
    // What rounding of W and P and the sums behind J and Phi can change in E.
    const auto particles = static_cast<double>(system.layout().total());
    const double rounding =
        kEps * (std::abs(state.objective) + std::abs(objective_) + potential_ / gamma +
                (detail::norm(system, G_) * detail::norm(system, W_) +
                 detail::norm(system, V_) * detail::norm(system, P_) / gamma) /
                    particles);
    const double at_one = objective_ + potential_ / gamma - target_;
    if (std::abs(at_one) <= 2 * rounding) return {};

    const double objective = objective_, potential = potential_;
    const auto along_chord = [&](double x, double& defect) -> Outcome {
      detail::add_scaled(state.W, static_cast<T>(x), dW_, W_);
      detail::add_scaled(P_start_, static_cast<T>(x), dP_, P_);
      if (auto o = system.force(W_, G_, objective_); !o.ok()) return o;
      constexpr std::array kOne{1.0};
      if (auto o = system.potentials(P_, kOne, {&potential_, 1}); !o.ok()) return o;
      defect = objective_ + potential_ / gamma - target_;
      return {};
    };
    auto outcome = find_root(along_chord, at_one, slope_, rounding, theta);
    if (outcome.status != Status::not_converged) return outcome;

    theta = 1;
    double unused = 0;
    if (auto o = along_chord(1, unused); !o.ok()) return o;
    objective_ = objective;
    double sigma = 1;
    const auto along_momentum = [&](double x, double& defect) -> Outcome {
      const std::array scales{x};
      if (auto o = system.potentials(P_, scales, {&potential_, 1}); !o.ok()) return o;
      defect = objective_ + potential_ / gamma - target_;
      return {};
    };
    const double slope = detail::inner(system, V_, P_) / gamma / particles;
    potential_ = potential;
    outcome = find_root(along_momentum, at_one, slope, rounding, sigma);
    if (outcome.ok()) detail::combine(static_cast<T>(sigma), P_, T{0}, P_, P_);
    return outcome;
  }

  // The root near x = 1 of a function whose value and slope there are known; by Newton, then
  // secants.
  template <class Function>
  Outcome find_root(const Function& f, double value, double slope, double rounding, double& x) {
    constexpr Outcome kNoRoot{.status = Status::not_converged, .changed = false};
    for (std::int64_t k = 0; k < max_iterations_; ++k) {
      const double next = x - value / slope;
      if (!(std::abs(next - 1) <= kFarthest)) return kNoRoot;
      double now = 0;
      if (auto o = f(next, now); !o.ok()) return o;
      const bool no_better = std::abs(now) >= std::abs(value) / 2 || next == x;
      if (next != x) slope = (now - value) / (next - x);
      x = next;
      value = now;
      if (std::abs(now) <= rounding / 4 || (no_better && std::abs(now) <= 4 * rounding)) return {};
    }
    return kNoRoot;
  }

  void commit(State<T>& state) {
    state.W.swap(W_);
    state.M.swap(M_);
    state.G.swap(G_);
    state.objective = objective_;
    state.potential = potential_;
    state.velocity_known = false;
    state.scale = scale_;
    state.scaled_potential = scaled_potential_;
  }

  std::int64_t max_iterations_;
  Matrix<T> W_, M_, G_, V_, P_, P_start_, dW_, dP_;
  double target_ = 0, slope_ = 0, objective_ = 0, potential_ = 0;
  double scale_ = 0, scaled_potential_ = 0;
};

}  // namespace muonflow::flow
