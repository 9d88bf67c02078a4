#include "muonflow/flow/integrator.hpp"

#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"
#include "muonflow/flow/integrators/discrete_gradient.hpp"
#include "muonflow/flow/integrators/leapfrog.hpp"
#include "muonflow/flow/integrators/muon.hpp"
#include "muonflow/flow/integrators/reference.hpp"
#include "muonflow/flow/integrators/relaxed.hpp"
#include "muonflow/flow/integrators/rk4.hpp"

namespace muonflow::flow {

void IntegratorOptions::fields(FieldVisitor& v) {
  v.text("kind", kind, "name of the integrator (muonflow list integrators)");
  v.real("step", step, kPositive, "time step h");
  v.real("end_time", end_time, kPositive,
         "time of the end; the last step is shorter where this is no multiple of the step");
  v.boolean("adaptive", adaptive, "choose the steps by their error; step is the first one");
  v.optional_real("tolerance", tolerance, kPositive,
                  "of reference (1e-12), of discrete_gradient (1e-13), of adaptive steps (1e-6)");
  v.integer("max_iterations", max_iterations, {.lo = 1},
            "of discrete_gradient's Newton steps and of relaxed's root");
}

template <class T>
void Integrator<T>::check(const System<T>& system, double, const std::string& place) const {
  if (!system.inertial() && !info().momentum_free) {
    throw ConfigError({.place = place,
                       .what = "integrator '" + std::string(info().name) +
                               "' needs a momentum, which momentum_free dynamics has not",
                       .advice =
                           "use muon, rk4, reference or discrete_gradient, or dynamics.kind = "
                           "\"inertial\""});
  }
  if (system.ranks().size() > 1 && !info().shares) {
    throw ConfigError({.place = place,
                       .what = "integrator '" + std::string(info().name) +
                               "' does not share its particles with other processes",
                       .advice = "use muon, leapfrog or rk4, or one process"});
  }
  if (system.dynamics().noise != 0 && !info().noise) {
    throw ConfigError(
        {.place = place,
         .what = "integrator '" + std::string(info().name) + "' is for noise-free gradients",
         .advice = "use muon, or leave dynamics.noise at 0"});
  }
}

template <class T>
double Integrator<T>::longest_step(const System<T>&) const {
  return std::numeric_limits<double>::infinity();
}

template class Integrator<float>;
template class Integrator<double>;

const Registry<IntegratorEntry>& integrators() {
  static const auto registry = [] {
    Registry<IntegratorEntry> all("integrator");
    detail::enroll_integrator<DiscreteGradient>(all);
    detail::enroll_integrator<Leapfrog>(all);
    detail::enroll_integrator<MuonIntegrator>(all);
    detail::enroll_integrator<Reference>(all);
    detail::enroll_integrator<Relaxed>(all);
    detail::enroll_integrator<Rk4>(all);
    return all;
  }();
  return registry;
}

}  // namespace muonflow::flow
