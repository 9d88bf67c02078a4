// discrete_gradient: an implicit step that keeps the energy between two exact dampings, so that the
// energy falls for every step size. Order 2.
//
//   a = gamma h / 2
//   (1)  P_0 = e^-a M                                  exact damping over h/2
//   (2)  W_1 = W_0 - h DPhi(P_0, P_1)
//   (3)  P_1 = P_0 + gamma h DJ(W_0, W_1)              the conservative flow over h
//   (4)  M = e^-a P_1                                  exact damping over h/2
//   dissipated: the kinetic energy lost in (1) and (4)
//   DH(x, y) = (grad H(x) + grad H(y))/2 + c (y - x),
//   c = (H(y) - H(x) - <grad H(x) + grad H(y), y - x>/2) / |y - x|^2
//
// DH is a discrete gradient, <DH(x, y), y - x> = H(y) - H(x): O. Gonzalez (1996), with the mean of
// the end points' gradients in the place of the midpoint's (no extra force). H is J, as force N dJ,
// and mean Phi; inner products are means over the particles. So (2), (3) keep J + mean Phi / gamma
// whatever h, up to the residual of the solver, and Phi falls under damping because it is convex
// with its minimum at 0.
//
// (2) and (3) are one equation for P_1, solved by Newton-Krylov from the leapfrog's P_1. Where that
// fails, the curve of the solutions (P_1, h) is followed from h = 0, around its folds, for a while.
// With a bounded geometry and bounded forces that curve reaches every h (Leray and Schauder), but
// where J is not convex it may turn back many times, and a huge step has many solutions, most of
// them far from the flow. A step that is not reached is made of two of half its length, which keep
// all that is said above; `parts` counts them, and after kDepth halvings the outcome is
// not_converged.
//
// Momentum-free dynamics: W_1 = W_0 - h grad Phi(DJ(W_0, W_1)), dissipated h <DJ, grad Phi(DJ)>.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"
#include "muonflow/flow/detail/newton_krylov.hpp"
#include "muonflow/flow/detail/reductions.hpp"

namespace muonflow::flow {

template <class T>
class DiscreteGradient final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{
      .name = "discrete_gradient",
      .order = 2,
      .gradients_per_step = 12,  // typical: a few Newton steps of a few products each
      .momentum_free = true,
      .shares = true,
      .closes_ledger = true,
      .dissipation = "the kinetic energy lost in the two exactly damped half steps",
      .cite = "Gonzalez 1996; arXiv:2605.23871"};

  explicit DiscreteGradient(const IntegratorOptions& options)
      : newton_{.tolerance = options.tolerance.value_or(1e-13),
                .max_iterations = options.max_iterations} {}
  const IntegratorInfo& info() const override { return kInfo; }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    return step_in_parts(system, h, state, 0);
  }

 private:
  static constexpr double kEps = std::numeric_limits<T>::epsilon();
  static constexpr int kDepth = 10;

  // The correction of a discrete gradient, c = defect / |y - x|^2. Where the difference of values
  // cannot tell it from round-off it is left out; decided once a solution, so that the equation
  // stays smooth.
  struct Correction {
    bool on = true;
    double c = 0;
    double noise = 0;  // round-off of c |y - x|

    // `values`: the size of what cancels in the defect; `squares`: |y - x|^2.
    void set(double defect, double values, double squares, bool decide) {
      const double roundoff = 4 * kEps * values;
      if (decide) on = std::abs(defect) > 4 * roundoff && squares > 0;
      c = on && squares > 0 ? defect / squares : 0;
      noise = on && squares > 0 ? roundoff / std::sqrt(squares) : 0;
    }
  };

  StepOutcome step_in_parts(const System<T>& system, double h, State<T>& state, int depth) {
    auto taken = system.inertial() ? inertial_step(system, h, state) : free_step(system, h, state);
    if (taken.outcome.status != Status::not_converged || depth == kDepth) return taken;
    taken = step_in_parts(system, h / 2, state, depth + 1);
    if (!taken.outcome.ok()) return taken;
    const auto rest = step_in_parts(system, h / 2, state, depth + 1);
    return {.outcome = rest.outcome,
            .elapsed = h,
            .dissipated = taken.dissipated + rest.dissipated,
            .parts = taken.parts + rest.parts};
  }

  StepOutcome inertial_step(const System<T>& system, double h, State<T>& state) {
    const double gamma = system.gamma();
    const auto keep = static_cast<T>(std::exp(-gamma * h / 2));
    detail::combine(keep, state.M, T{0}, state.M, P_0_);  // (1)
    if (auto o = system.velocity(P_0_, V_0_, kinetic_0_); !o.ok()) return {.outcome = o};
    const double lost_first = state.potential - kinetic_0_.potential;
    if (auto o = reach(system, h, state); !o.ok()) return {.outcome = o};
    detail::combine(keep, P_, T{0}, P_, state.M);  // (4)
    state.W.swap(W_);
    take_force(state);
    constexpr std::array kOne{1.0};
    if (auto o = system.potentials(state.M, kOne, {&state.potential, 1}); !o.ok()) {
      return {.outcome = o};
    }
    const double lost_second = kinetic_.potential - state.potential;
    return {.elapsed = h, .dissipated = (lost_first + lost_second) / gamma};
  }

  StepOutcome free_step(const System<T>& system, double h, State<T>& state) {
    if (auto o = reach(system, h, state); !o.ok()) return {.outcome = o};
    state.W = P_;
    take_force(state);
    return {.elapsed = h, .dissipated = h * kinetic_.rate};
  }

  void take_force(State<T>& state) {
    state.G.swap(G_);
    state.objective = objective_;
    state.velocity_known = false;
    state.scale = 0;
  }

  // Solves for the unknown P_ (P_1, or W_1 in momentum-free dynamics).
  Outcome reach(const System<T>& system, double h, const State<T>& state) {
    if (auto o = predict(system, h, state); !o.ok()) return o;
    auto outcome = solve(system, h, state);
    if (!outcome.ok()) outcome = follow(system, h, state);
    if (!outcome.ok()) outcome.changed = false;
    return outcome;
  }

  Outcome solve(const System<T>& system, double h, const State<T>& state) {
    bool decide = true;
    const auto F = [&](const Matrix<T>& x, Matrix<T>& into) {
      const auto outcome = residual(system, h, state, x, decide, into);
      decide = false;
      return outcome;
    };
    return solver_.solve(
        system, F, [&] { return goal(system, h, state); }, newton_, P_);
  }

  // Follows the solutions from h = 0 by pseudo-arclength (H. Keller 1977): the unknowns are P_ and
  // h, which stands in a row of its own below P_; one more equation keeps the next point on the
  // plane at distance `stride` across the chord of the last two points.
  Outcome follow(const System<T>& system, double h, const State<T>& state) {
    constexpr int kPoints = 16;
    constexpr double kLeastStride = 1e-8;
    constexpr double kLeastCosine = 0.3;
    const Index particles = state.W.rows();
    const auto& start = system.inertial() ? P_0_ : state.W;
    // h in the units of the unknown, so that the curve's slope is of order 1.
    const double unit =
        system.inertial()
            ? system.gamma() * detail::norm(system, state.G)
            : std::sqrt(static_cast<double>(system.layout().total() * system.layout().width()));
    Matrix<T> before = raised(start, 0), at, chord, next;
    double first = h;
    Outcome outcome{.status = Status::not_converged};
    for (int k = 0; k < 20 && !outcome.ok(); ++k) {
      first /= 2;
      if (auto o = predict(system, first, state); !o.ok()) return o;
      outcome = solve(system, first, state);
    }
    if (!outcome.ok()) return outcome;
    at = raised(P_, first * unit);
    double stride = 0;
    for (int k = 0; k < kPoints; ++k) {
      detail::add_scaled(at, T{-1}, before, chord);
      const double length = detail::norm(system, chord);
      detail::combine(static_cast<T>(1 / length), chord, T{0}, chord, chord);
      if (stride == 0) stride = length;
      detail::add_scaled(at, static_cast<T>(stride), chord, next);
      outcome = solve_on_plane(system, state, unit, chord, next);
      double cosine = 0;  // between the last chord and the new one
      if (outcome.ok()) {
        detail::add_scaled(next, T{-1}, at, difference_);
        cosine = detail::inner(system, difference_, chord) / detail::norm(system, difference_);
      }
      if (cosine < kLeastCosine) {
        stride /= 3;
        if (stride < kLeastStride * unit * h) break;
        continue;
      }
      const double here = static_cast<double>(at(particles, 0)) / unit;
      const double there = static_cast<double>(next(particles, 0)) / unit;
      if (there >= h) {
        const auto part = static_cast<T>((h - here) / (there - here));
        P_ = (1 - part) * at.topRows(particles) + part * next.topRows(particles);
        if (solve(system, h, state).ok()) return {};
        stride /= 3;
        continue;
      }
      before.swap(at);
      at.swap(next);
      if (cosine > 0.9) stride *= 1.6;
    }
    return {.status = Status::not_converged};
  }

  Outcome solve_on_plane(const System<T>& system, const State<T>& state, double unit,
                         const Matrix<T>& chord, Matrix<T>& next) {
    const Matrix<T> plane = next;
    const Index particles = state.W.rows();
    bool decide = true;
    double length = 0;
    const auto F = [&](const Matrix<T>& x, Matrix<T>& into) {
      P_ = x.topRows(particles);
      length = static_cast<double>(x(particles, 0)) / unit;
      auto outcome = residual(system, length, state, P_, decide, F_);
      decide = false;
      into = raised(F_, 0);
      detail::add_scaled(x, T{-1}, plane, difference_);
      into.row(particles) = x.row(particles);
      into(particles, 0) = static_cast<T>(detail::inner(system, difference_, chord));
      return outcome;
    };
    // A stride that is too long should be found out quickly; shorter ones are cheap.
    const detail::NewtonOptions brief{
        .tolerance = newton_.tolerance,
        .max_iterations = std::min<std::int64_t>(8, newton_.max_iterations)};
    return solver_.solve(
        system, F, [&] { return goal(system, length, state); }, brief, next);
  }

  // x with a row below it that holds one number.
  static Matrix<T> raised(const Matrix<T>& x, double number) {
    Matrix<T> y = Matrix<T>::Zero(x.rows() + 1, x.cols());
    y.topRows(x.rows()) = x;
    y(x.rows(), 0) = static_cast<T>(number);
    return y;
  }

  Outcome residual(const System<T>& system, double h, const State<T>& state, const Matrix<T>& x,
                   bool decide, Matrix<T>& F) {
    return system.inertial() ? inertial_residual(system, h, state, x, decide, F)
                             : free_residual(system, h, state, x, decide, F);
  }

  // From what the last residual left: rounding of W, M and of the values enters through the forces.
  detail::NewtonGoal goal(const System<T>& system, double h, const State<T>& state) {
    const double root_n = std::sqrt(static_cast<double>(system.layout().total()));
    detail::add_scaled(G_, T{-1}, state.G, difference_);
    const double turn = detail::norm(system, difference_);
    detail::add_scaled(system.inertial() ? W_ : P_, T{-1}, state.W, difference_);
    const double moved = detail::norm(system, difference_);
    const double steepness = moved > 0 ? turn / moved : 0;
    const double force = detail::norm(system, state.G) + detail::norm(system, G_);
    const double blur = 8 * kEps * (force + steepness * detail::norm(system, state.W)) +
                        root_n * objective_correction_.noise;
    if (!system.inertial()) {
      const double scale = detail::norm(system, state.W) + h * detail::norm(system, V_);
      return {.scale = scale, .roundoff = 4 * kEps * scale + h * blur};
    }
    const double scale = detail::norm(system, P_0_) + system.gamma() * h * force;
    const double blurred_velocity = root_n * kinetic_correction_.noise;
    return {.scale = scale,
            .roundoff =
                4 * kEps * scale + system.gamma() * h * (blur + steepness * h * blurred_velocity)};
  }

  // F = P_1 - P_0 - gamma h DJ(W_0, W_1(P_1)); leaves W_, G_, objective_, kinetic_.
  Outcome inertial_residual(const System<T>& system, double h, const State<T>& state,
                            const Matrix<T>& P, bool decide, Matrix<T>& F) {
    const auto particles = static_cast<double>(system.layout().total());
    if (auto o = system.velocity(P, V_, kinetic_); !o.ok()) return o;
    detail::add_scaled(P, T{-1}, P_0_, difference_);
    detail::add_scaled(V_, T{1}, V_0_, V_);
    const double rise = kinetic_.potential - kinetic_0_.potential;
    kinetic_correction_.set(rise - detail::inner(system, V_, difference_) / (2 * particles),
                            kinetic_.potential + kinetic_0_.potential + size_of(system, V_, P),
                            detail::inner(system, difference_, difference_) / particles, decide);
    detail::combine(T{0.5}, V_, static_cast<T>(kinetic_correction_.c), difference_, V_);
    detail::add_scaled(state.W, -static_cast<T>(h), V_, W_);  // (2)
    if (auto o = objective_gradient(system, state, W_, decide); !o.ok()) return o;
    const auto reach = static_cast<T>(system.gamma() * h);
    detail::add_scaled(P, T{-1}, P_0_, F);
    detail::add_scaled(F, -reach, mean_G_, F);  // (3)
    return {};
  }

  // F = W_1 - W_0 + h grad Phi(DJ(W_0, W_1)).
  Outcome free_residual(const System<T>& system, double h, const State<T>& state,
                        const Matrix<T>& W, bool decide, Matrix<T>& F) {
    if (auto o = objective_gradient(system, state, W, decide); !o.ok()) return o;
    if (auto o = system.velocity(mean_G_, V_, kinetic_); !o.ok()) return o;
    detail::add_scaled(W, T{-1}, state.W, F);
    detail::add_scaled(F, static_cast<T>(h), V_, F);
    return {};
  }

  // mean_G_ <- DJ(W_0, W); leaves G_ and objective_ at W.
  Outcome objective_gradient(const System<T>& system, const State<T>& state, const Matrix<T>& W,
                             bool decide) {
    const auto particles = static_cast<double>(system.layout().total());
    if (auto o = system.force(W, G_, objective_); !o.ok()) return o;
    detail::add_scaled(W, T{-1}, state.W, difference_);
    detail::add_scaled(G_, T{1}, state.G, mean_G_);
    const double rise = objective_ - state.objective;
    objective_correction_.set(
        rise - detail::inner(system, mean_G_, difference_) / (2 * particles),
        std::abs(objective_) + std::abs(state.objective) + size_of(system, mean_G_, W),
        detail::inner(system, difference_, difference_) / particles, decide);
    detail::combine(T{0.5}, mean_G_, static_cast<T>(objective_correction_.c), difference_, mean_G_);
    return {};
  }

  // What rounding of x alone, at which the gradient is g / 2, changes in a value, over epsilon.
  static double size_of(const System<T>& system, const Matrix<T>& g, const Matrix<T>& x) {
    return detail::norm(system, g) * detail::norm(system, x) /
           static_cast<double>(2 * system.layout().total());
  }

  // P_ <- the leapfrog's P_1; in momentum-free dynamics an Euler step.
  Outcome predict(const System<T>& system, double h, const State<T>& state) {
    Kinetic unused;
    if (!system.inertial()) {
      if (auto o = system.velocity(state.G, V_, unused); !o.ok()) return o;
      detail::add_scaled(state.W, -static_cast<T>(h), V_, P_);
      return {};
    }
    const auto half = static_cast<T>(system.gamma() * h / 2);
    detail::add_scaled(P_0_, half, state.G, P_);
    if (auto o = system.velocity(P_, V_, unused); !o.ok()) return o;
    detail::add_scaled(state.W, -static_cast<T>(h), V_, W_);
    if (auto o = system.force(W_, G_, objective_); !o.ok()) return o;
    detail::add_scaled(P_, half, G_, P_);
    return {};
  }

  detail::NewtonOptions newton_;
  detail::NewtonKrylov<T> solver_;
  Correction kinetic_correction_, objective_correction_;
  Matrix<T> P_, P_0_, V_, V_0_, W_, G_, mean_G_, difference_, F_;
  Kinetic kinetic_, kinetic_0_;
  double objective_ = 0;
};

}  // namespace muonflow::flow
