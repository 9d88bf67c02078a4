// A step in time of the flow. One file an integrator under integrators/, each with its order and
// its rule of what a step dissipates, so that the ledger E(0) - E(t) - dissipated can be judged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/core/registry.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

struct IntegratorInfo {
  std::string_view name;
  int order = 1;                 // of the global error; tests fit the slope
  int gradients_per_step = 1;    // evaluations of the force, the one at the end included
  bool momentum_free = false;    // whether it integrates the momentum-free dynamics too
  bool shares = false;           // whether several processes may share the particles
  bool noise = false;            // whether it takes noisy gradients
  bool needs_no_forces = false;  // between steps: states may keep none (inertial, no noise)
  bool relaxes_time = false;     // a step of length h advances the time by about h
  bool closes_ledger = false;    // to round-off or the solver's tolerance, whatever the step
  bool controls_error = false;   // its error follows the tolerance, not the step
  std::string_view dissipation;  // what one step adds to `dissipated`
  std::string_view cite;
};

struct IntegratorOptions {
  std::string kind = "leapfrog";
  double step = 0.01;
  double end_time = 1;
  bool adaptive = false;
  std::optional<double> tolerance;  // each integrator has its own
  std::int64_t max_iterations = 50;

  void fields(FieldVisitor& v);
};

struct StepOutcome {
  Outcome outcome{};       // anything but ok: the state is not to be used
  double elapsed = 0;      // the time that the step advanced
  double dissipated = 0;   // by the integrator's own rule
  std::int64_t parts = 1;  // shorter steps that it is made of, where it could not be taken whole
  double next = 0;         // adaptive: the length of the next step
};

// T is float or double.
template <class T>
class Integrator {
 public:
  virtual ~Integrator() = default;

  virtual const IntegratorInfo& info() const = 0;
  // Throws ConfigError where the integrator cannot take this system with this step.
  virtual void check(const System<T>& system, double step, const std::string& place) const;
  // No step should be longer than this; infinity where there is no such bound.
  virtual double longest_step(const System<T>& system) const;
  // On entry and on return the state's G, objective and potential are those of its W and M. Adds to
  // neither state.time nor any ledger; simulate() does, and adds noise to G before the step.
  // Scratch is kept between calls.
  virtual StepOutcome step(const System<T>& system, double h, State<T>& state) = 0;
  // The same at the end of a run: `elapsed` should be h. An integrator that relaxes the time looks
  // for the step that ends there; it may take a shorter one instead.
  virtual StepOutcome last_step(const System<T>& system, double h, State<T>& state) {
    return step(system, h, state);
  }
};

struct IntegratorEntry {
  std::string name;
  IntegratorInfo info;
  std::unique_ptr<Integrator<float>> (*make_float)(const IntegratorOptions&);
  std::unique_ptr<Integrator<double>> (*make_double)(const IntegratorOptions&);

  template <class T>
  std::unique_ptr<Integrator<T>> make(const IntegratorOptions& options) const {
    if constexpr (std::is_same_v<T, float>) {
      return make_float(options);
    } else {
      return make_double(options);
    }
  }
};

const Registry<IntegratorEntry>& integrators();

}  // namespace muonflow::flow
