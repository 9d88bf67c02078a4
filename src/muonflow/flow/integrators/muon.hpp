// muon: the discrete optimizer itself, read as an integrator of its own limit. Order 1.
//
//   (1)  M_{k+1} = (1 - gamma h) M_k + gamma h G(W_k)
//   (2)  W_{k+1} = W_k - h grad Phi(M_{k+1})
//   dissipated:    h mean <M_{k+1}, grad Phi(M_{k+1})>
//   momentum-free: W_{k+1} = W_k - h grad Phi(G(W_k)),  dissipated h mean <G, grad Phi(G)>
//
// Inertial scaling (arXiv 2605.23871): lr = h, momentum = 1 - gamma h; with the smoothed nuclear
// norm these are the bits of the rule `regularized_muon`. Default Muon (lr 0.02, momentum 0.95) is
// h = 0.02, gamma = 2.5. A semi-implicit Euler scheme; its energy defect per step is O(h^2).
#pragma once

#include "muonflow/core/text.hpp"
#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"

namespace muonflow::flow {

template <class T>
class MuonIntegrator final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{.name = "muon",
                                        .order = 1,
                                        .gradients_per_step = 1,
                                        .momentum_free = true,
                                        .shares = true,
                                        .noise = true,
                                        .needs_no_forces = true,
                                        .dissipation = "h mean <M_{k+1}, grad Phi(M_{k+1})>",
                                        .cite = "arXiv:2605.23871"};

  explicit MuonIntegrator(const IntegratorOptions&) {}
  const IntegratorInfo& info() const override { return kInfo; }

  void check(const System<T>& system, double step, const std::string& place) const override {
    Integrator<T>::check(system, step, place);
    if (system.inertial() && system.gamma() * step > 1) {
      throw ConfigError({.place = place,
                         .what = "the momentum 1 - gamma step of integrator 'muon' is negative",
                         .expected = "a step of at most 1/gamma = " + shortest(1 / system.gamma()),
                         .found = shortest(step)});
    }
  }

  double longest_step(const System<T>& system) const override {
    return system.inertial() ? 1 / system.gamma() : Integrator<T>::longest_step(system);
  }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    const double momentum = 1 - system.gamma() * h;
    if (system.inertial() && !state.keeps_forces) {
      Kinetic kinetic;
      const auto outcome = system.sweep(static_cast<T>(momentum), static_cast<T>(1 - momentum),
                                        static_cast<T>(h), state, kinetic);  // (1), (2)
      state.potential = kinetic.potential;
      state.rate = kinetic.rate;
      state.velocity_known = false;
      return {.outcome = outcome, .elapsed = h, .dissipated = h * kinetic.rate};
    }
    if (system.inertial()) {
      detail::combine(static_cast<T>(momentum), state.M, static_cast<T>(1 - momentum), state.G,
                      state.M);  // (1)
    }
    Kinetic kinetic;
    const auto& pushed = system.inertial() ? state.M : state.G;
    if (auto o = system.velocity(pushed, state.V, kinetic); !o.ok()) return {.outcome = o};
    detail::add_scaled(state.W, -static_cast<T>(h), state.V, state.W);  // (2)
    if (system.inertial()) state.potential = kinetic.potential;
    state.rate = kinetic.rate;
    state.velocity_known = system.inertial();
    const auto outcome = system.force(state.W, state.G, state.objective);
    return {.outcome = outcome, .elapsed = h, .dissipated = h * kinetic.rate};
  }
};

}  // namespace muonflow::flow
