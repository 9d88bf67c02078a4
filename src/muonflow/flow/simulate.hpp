// The loop of the flow: steps, ledger, recorded times. It looks at nothing and writes nothing; an
// observer does, and may end it after any step.
#pragma once

#include <cstdint>

#include "muonflow/core/outcome.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/ledger.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

// Steps of one length up to end_time; the last is shorter where end_time is no multiple of the
// step. Adaptive and relaxed ones choose their own. Records at time 0, after the first step at or
// past each multiple of record_every, and at the end.
struct SimulateOptions {
  double step = 0.01;
  double end_time = 1;
  double record_every = 0.1;
  bool statistics = false;  // measure() at every record: one force and one velocity more

  // Throws ConfigError: not positive, or a step beyond the end.
  void check(const std::string& place) const;
  // Number of steps, where every step advances by its length.
  std::int64_t steps() const;
};

// Where a run stands; saved with a checkpoint beside W, M and the time, all of it.
struct Cursor {
  std::int64_t step = 0;
  std::int64_t next_record = 0;  // the next multiple of record_every
  bool on_grid = true;           // every step so far had full length: time = step * h exactly
  std::int64_t parts = 0;   // steps solved; more than `step` where some were made of shorter ones
  std::int64_t forces = 0;  // evaluations of the force, that of begin() included
  double next_step = 0;     // adaptive: the length of the next step; 0: the options' step
  double potential = 0;     // mean Phi at M, as the step computed it
  Ledger ledger;
};

template <class T>
class Observer {
 public:
  virtual ~Observer() = default;
  // A recorded time.
  virtual void record(const System<T>& system, const State<T>& state, const LedgerEntry& entry);
  // After every step, records included; false ends the run here.
  virtual bool after_step(const State<T>& state, const Cursor& cursor);
};

enum class Ended { finished, cancelled, failed };

struct SimulateResult {
  Ended ended = Ended::finished;
  Outcome outcome;   // what failed; the state is then not to be used
  LedgerEntry last;  // the quantities where the run ended (for a failure, at the last good step)
};

// A new run: the cursor of a state at its time 0. Returns the outcome of the first evaluation.
template <class T>
Outcome begin(const System<T>& system, State<T>& state, Cursor& cursor);
// A saved run: state has W, M and time, the cursor is as saved. Going on gives the same bits as a
// run that was never interrupted.
template <class T>
Outcome resume(const System<T>& system, State<T>& state, const Cursor& cursor);

template <class T>
SimulateResult simulate(const SimulateOptions& options, const System<T>& system,
                        Integrator<T>& integrator, State<T>& state, Cursor& cursor,
                        Observer<T>& observer);

extern template class Observer<float>;
extern template class Observer<double>;

}  // namespace muonflow::flow
