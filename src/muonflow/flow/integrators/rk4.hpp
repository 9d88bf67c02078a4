// rk4: the classical Runge-Kutta method on (W, M, dissipated). Order 4.
//
//   (1)  f(W, M) = (-grad Phi(M), gamma (G(W) - M), mean <M, grad Phi(M)>)
//   (2)  y <- y + h/6 (k_1 + 2 k_2 + 2 k_3 + k_4)
//   momentum-free: f(W) = (-grad Phi(G(W)), 0, mean <G, grad Phi(G)>)
//
// The dissipated energy is one more component of the solution, so that the ledger's error is of
// order 4 too. The force and velocity at the end of a step are the k_1 of the next: four forces a
// step.
#pragma once

#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"

namespace muonflow::flow {

template <class T>
class Rk4 final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{
      .name = "rk4",
      .order = 4,
      .gradients_per_step = 4,
      .momentum_free = true,
      .shares = true,
      .dissipation = "the rate <M, grad Phi(M)> integrated as one more component",
      .cite = "Kutta 1901"};

  explicit Rk4(const IntegratorOptions&) {}
  const IntegratorInfo& info() const override { return kInfo; }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    if (auto o = know_velocity(system, state); !o.ok()) return {.outcome = o};
    const T gamma = static_cast<T>(system.gamma());
    sum_W_ = state.V;
    if (system.inertial()) detail::combine(gamma, state.G, -gamma, state.M, sum_M_);
    slope_M_ = sum_M_;
    G_ = state.G;
    V_ = state.V;
    double rate = state.rate;
    constexpr std::array<double, 3> kAhead{0.5, 0.5, 1};  // where k_2, k_3, k_4 are taken
    constexpr std::array<double, 3> kWeight{2, 2, 1};
    for (std::size_t stage = 0; stage < kAhead.size(); ++stage) {
      const T ahead = static_cast<T>(kAhead[stage] * h);
      const T weight = static_cast<T>(kWeight[stage]);
      detail::add_scaled(state.W, -ahead, V_, W_);
      double J = 0;
      if (auto o = system.force(W_, G_, J); !o.ok()) return {.outcome = o};
      if (system.inertial()) {
        detail::add_scaled(state.M, ahead, slope_M_, M_);
        detail::combine(gamma, G_, -gamma, M_, slope_M_);
        detail::add_scaled(sum_M_, weight, slope_M_, sum_M_);
      }
      Kinetic kinetic;
      if (auto o = system.velocity(system.inertial() ? M_ : G_, V_, kinetic); !o.ok()) {
        return {.outcome = o};
      }
      detail::add_scaled(sum_W_, weight, V_, sum_W_);
      rate += kWeight[stage] * kinetic.rate;
    }
    detail::add_scaled(state.W, -static_cast<T>(h / 6), sum_W_, state.W);  // (2)
    if (system.inertial()) detail::add_scaled(state.M, static_cast<T>(h / 6), sum_M_, state.M);
    if (auto o = system.force(state.W, state.G, state.objective); !o.ok()) return {.outcome = o};
    state.velocity_known = false;
    if (auto o = know_velocity(system, state); !o.ok()) return {.outcome = o};
    return {.elapsed = h, .dissipated = h / 6 * rate};
  }

 private:
  static Outcome know_velocity(const System<T>& system, State<T>& state) {
    if (state.velocity_known) return {};
    Kinetic kinetic;
    const auto outcome = system.velocity(system.inertial() ? state.M : state.G, state.V, kinetic);
    if (system.inertial()) state.potential = kinetic.potential;
    state.rate = kinetic.rate;
    state.velocity_known = true;
    return outcome;
  }

  Matrix<T> W_, M_, G_, V_, slope_M_, sum_W_, sum_M_;
};

}  // namespace muonflow::flow
