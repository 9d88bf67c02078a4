// leapfrog: conformal Strang splitting, drift between two half steps of the momentum. Order 2.
//
//   a = gamma h / 2
//   (1)  M <- e^-a M + (1 - e^-a) G(W)      exact for M' = gamma (G - M) over h/2
//   (2)  W <- W - h grad Phi(M)
//   (3)  M <- e^-a M + (1 - e^-a) G(W)      with the new force, which the next step uses again
//
// What it dissipates: (1) is the damping M <- e^-a M followed by a kick along G, and (3) is the
// same map read the other way round, a kick by (e^a - 1) G followed by the damping. The energy that
// the two exact dampings take, with K = mean Phi / gamma,
//   [K(M_0) - K(e^-a M_0)] + [K(e^a M_1) - K(M_1)],
// is what a step adds; M_0 and M_1 are its first and last momentum. This is symmetric in time, so
// the ledger closes to O(h^2); kick, drift, kick in between is a leapfrog step, which hardly
// drifts. arXiv 2605.23871 for the flow; conformal splittings are McLachlan & Quispel (2002).
#pragma once

#include <array>
#include <cmath>

#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"

namespace muonflow::flow {

template <class T>
class Leapfrog final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{
      .name = "leapfrog",
      .order = 2,
      .gradients_per_step = 1,
      .momentum_free = false,
      .shares = true,
      .dissipation = "the kinetic energy lost in the two exactly damped half steps",
      .cite = "McLachlan & Quispel 2002; arXiv:2605.23871"};

  explicit Leapfrog(const IntegratorOptions&) {}
  const IntegratorInfo& info() const override { return kInfo; }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    const double a = system.gamma() * h / 2;
    const double decay = std::exp(-a);
    const T keep = static_cast<T>(decay);
    const T kick = static_cast<T>(-std::expm1(-a));
    state.velocity_known = false;
    if (state.scale != decay) {  // the first step, or one of another length
      const std::array scales{decay};
      if (auto o = system.potentials(state.M, scales, {&state.scaled_potential, 1}); !o.ok()) {
        return {.outcome = o};
      }
    }
    const double lost_first = state.potential - state.scaled_potential;
    detail::combine(keep, state.M, kick, state.G, state.M);  // (1)
    Kinetic kinetic;
    if (auto o = system.velocity(state.M, state.V, kinetic); !o.ok()) return {.outcome = o};
    detail::add_scaled(state.W, -static_cast<T>(h), state.V, state.W);  // (2)
    if (auto o = system.force(state.W, state.G, state.objective); !o.ok()) return {.outcome = o};
    detail::combine(keep, state.M, kick, state.G, state.M);  // (3)
    const std::array scales{1.0, 1 / decay, decay};
    std::array<double, 3> at{};
    if (auto o = system.potentials(state.M, scales, at); !o.ok()) return {.outcome = o};
    const double lost_second = at[1] - at[0];
    state.potential = at[0];
    state.scale = decay;
    state.scaled_potential = at[2];
    return {.elapsed = h, .dissipated = (lost_first + lost_second) / system.gamma()};
  }
};

}  // namespace muonflow::flow
