#include "muonflow/flow/simulate.hpp"

#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/flow/noise.hpp"
#include "muonflow/flow/statistics.hpp"

namespace muonflow::flow {
namespace {

// Times within this part of a step are the same time.
constexpr double kSame = 1e-9;

void require_positive(double value, const char* name, const std::string& place) {
  if (std::isfinite(value) && value > 0) return;
  throw ConfigError({.place = place,
                     .what = std::string(name),
                     .expected = "a number in (0, inf)",
                     .found = shortest(value)});
}

}  // namespace

void SimulateOptions::check(const std::string& place) const {
  require_positive(step, "step", place);
  require_positive(end_time, "end_time", place);
  require_positive(record_every, "record.every", place);
  if (step > end_time * (1 + kSame)) {
    throw ConfigError({.place = place,
                       .what = "the step is larger than the end time",
                       .expected = "a step of at most " + shortest(end_time),
                       .found = shortest(step)});
  }
}

std::int64_t SimulateOptions::steps() const {
  return static_cast<std::int64_t>(std::ceil(end_time / step - kSame));
}

template <class T>
void Observer<T>::record(const System<T>&, const State<T>&, const LedgerEntry&) {}
template <class T>
bool Observer<T>::after_step(const State<T>&, const Cursor&) {
  return true;
}

template <class T>
Outcome begin(const System<T>& system, State<T>& state, Cursor& cursor) {
  state.time = 0;
  cursor = {};
  if (const auto outcome = system.refresh(state); !outcome.ok()) return outcome;
  cursor.forces = 1;
  cursor.potential = state.potential;
  cursor.ledger = Ledger::start(system, state);
  return {};
}

template <class T>
Outcome resume(const System<T>& system, State<T>& state, const Cursor& cursor) {
  const auto outcome = system.refresh(state);
  state.potential = cursor.potential;
  return outcome;
}

template <class T>
SimulateResult simulate(const SimulateOptions& options, const System<T>& system,
                        Integrator<T>& integrator, State<T>& state, Cursor& cursor,
                        Observer<T>& observer) {
  options.check("flow");
  integrator.check(system, options.step, "flow");
  const double same = kSame * options.step;
  const auto entry = [&] { return cursor.ledger.entry(system, state, cursor.step); };
  const auto record = [&] {
    const auto passed = std::floor((state.time + same) / options.record_every);
    cursor.next_record = static_cast<std::int64_t>(passed) + 1;
    auto now = entry();
    if (options.statistics) {
      Statistics statistics;
      double J = 0;
      const bool there = state.G.size() > 0 || system.force(state.W, state.G, J).ok();
      if (there && measure(system, state, statistics).ok()) now.statistics = std::move(statistics);
    }
    observer.record(system, state, now);
    if (!state.keeps_forces) state.G.resize(0, 0);
  };
  if (cursor.step == 0 && cursor.next_record == 0) record();
  while (state.time < options.end_time - same) {
    const double remaining = options.end_time - state.time;
    const double wanted = cursor.next_step > 0 ? cursor.next_step : options.step;
    const bool last = remaining <= wanted + same;
    const bool full = remaining >= wanted - same;
    double h = full ? wanted : remaining;
    // A relaxed step is longer or shorter than h: it must not pass the end.
    if (integrator.info().relaxes_time && !last && remaining < 1.5 * h) h = remaining / 2;
    const auto before = state.time;
    const auto forces = system.forces();
    const auto& dynamics = system.dynamics();
    if (dynamics.noise > 0) {
      add_noise(dynamics.noise, dynamics.noise_seed, cursor.step, state.layout, state.G);
    }
    const auto taken =
        last ? integrator.last_step(system, h, state) : integrator.step(system, h, state);
    if (!taken.outcome.ok()) {
      state.time = before;
      LedgerEntry good{.step = cursor.step, .time = before, .objective = cursor.ledger.objective};
      good.energy = cursor.ledger.energy;
      good.kinetic = good.energy - good.objective;
      good.dissipated = cursor.ledger.dissipated;
      good.ledger_error = cursor.ledger.error();
      good.relative_ledger_error = cursor.ledger.relative_error();
      return {.ended = Ended::failed, .outcome = taken.outcome, .last = good};
    }
    ++cursor.step;
    cursor.parts += taken.parts;
    cursor.forces += system.forces() - forces;
    cursor.on_grid = cursor.on_grid && full && taken.elapsed == options.step;
    // The last step of a run is cut at its end: what it would do next is no guide.
    if (taken.next > 0 && !last) cursor.next_step = taken.next;
    if (cursor.on_grid) {
      state.time = static_cast<double>(cursor.step) * options.step;
    } else {
      state.time += taken.elapsed;
    }
    if (last && taken.elapsed == h) state.time = options.end_time;
    cursor.potential = state.potential;
    cursor.ledger.add(system, state, taken.dissipated);
    const bool ended = state.time >= options.end_time - same;
    const double due = static_cast<double>(cursor.next_record) * options.record_every;
    if (ended || state.time >= due - same) record();
    if (!observer.after_step(state, cursor) && !ended) {
      return {.ended = Ended::cancelled, .outcome = {}, .last = entry()};
    }
  }
  return {.ended = Ended::finished, .outcome = {}, .last = entry()};
}

template class Observer<float>;
template class Observer<double>;
template Outcome begin(const System<float>&, State<float>&, Cursor&);
template Outcome begin(const System<double>&, State<double>&, Cursor&);
template Outcome resume(const System<float>&, State<float>&, const Cursor&);
template Outcome resume(const System<double>&, State<double>&, const Cursor&);
template SimulateResult simulate(const SimulateOptions&, const System<float>&, Integrator<float>&,
                                 State<float>&, Cursor&, Observer<float>&);
template SimulateResult simulate(const SimulateOptions&, const System<double>&, Integrator<double>&,
                                 State<double>&, Cursor&, Observer<double>&);

}  // namespace muonflow::flow
