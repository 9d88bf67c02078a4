#include "muonflow/flow/integrator.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/flow/detail/enroll_integrator.hpp"
#include "muonflow/flow/integrators/leapfrog.hpp"
#include "muonflow/flow/integrators/muon.hpp"
#include "muonflow/flow/integrators/rk4.hpp"

namespace muonflow::flow {

void IntegratorOptions::fields(FieldVisitor& v) {
  v.text("kind", kind, "name of the integrator (muonflow list integrators)");
  v.real("step", step, kPositive, "time step h");
  v.real("end_time", end_time, kPositive,
         "time of the end; the last step is shorter where this is no multiple of the step");
  v.boolean("adaptive", adaptive, "let the integrator choose its steps (those that can)");
  v.real("tolerance", tolerance, kPositive, "of adaptive and implicit integrators");
  v.integer("max_iterations", max_iterations, {.lo = 1}, "of implicit integrators");
}

template <class T>
void Integrator<T>::check(const System<T>& system, double, const std::string& place) const {
  if (!system.inertial() && !info().momentum_free) {
    throw ConfigError({.place = place,
                       .what = "integrator '" + std::string(info().name) +
                               "' needs a momentum, which momentum_free dynamics has not",
                       .advice = "use muon or rk4, or dynamics.kind = \"inertial\""});
  }
}

template class Integrator<float>;
template class Integrator<double>;

const Registry<IntegratorEntry>& integrators() {
  static const auto registry = [] {
    Registry<IntegratorEntry> all("integrator");
    detail::enroll_integrator<Leapfrog>(all);
    detail::enroll_integrator<MuonIntegrator>(all);
    detail::enroll_integrator<Rk4>(all);
    return all;
  }();
  return registry;
}

}  // namespace muonflow::flow
