// The energy ledger: E(0) - E(t) - dissipated, which the exact flow keeps at 0 (arXiv 2605.23871,
// exact dissipation identity). What remains is the integrator's error, a number that a run cannot
// hide.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/flow/statistics.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

// The quantities of one recorded time.
struct LedgerEntry {
  std::int64_t step = 0;
  double time = 0;
  double objective = 0;                  // J
  double kinetic = 0;                    // (1/gamma) mean Phi(M); 0 in momentum-free dynamics
  double energy = 0;                     // E = J + kinetic
  double dissipated = 0;                 // since time 0, by the integrator's rule
  double ledger_error = 0;               // E(0) - E - dissipated
  double relative_ledger_error = 0;      // |ledger_error| / (E(0) - inf J where known, else |E(0)|)
  double momentum_op_norm = 0;           // largest singular value of M over the particles
  std::int64_t objective_increases = 0;  // steps so far at which J rose
  std::int64_t energy_increases = 0;     // steps so far at which E rose by more than round-off
  std::optional<Statistics> statistics{};  // where asked for, and all finite
};

// What a run has added up; saved with a checkpoint, all of it.
struct Ledger {
  double initial_energy = 0;
  double scale = 1;  // what "relative" divides by
  double dissipated = 0;
  double carry = 0;   // what the sum of `dissipated` has rounded away so far
  double energy = 0;  // at the last step
  double objective = 0;
  double largest_relative_error = 0;     // over all steps
  std::int64_t objective_increases = 0;  // steps at which J rose (it may: momentum)
  std::int64_t energy_increases = 0;     // steps at which E rose by more than round-off

  // A new ledger at a refreshed state.
  template <class T>
  static Ledger start(const System<T>& system, const State<T>& state);
  // Enters one step that ended at `state`.
  template <class T>
  void add(const System<T>& system, const State<T>& state, double dissipated_by_step);
  template <class T>
  LedgerEntry entry(const System<T>& system, const State<T>& state, std::int64_t step) const;

  double error() const { return initial_energy - energy - dissipated; }
  double relative_error() const;
};

// An exponential rate fitted to recorded energies: E(t) - inf J ~ exp(-rate t).
struct RateFit {
  double rate = 0;
  double low = 0, high = 0;  // 95% interval of the regression's slope, residuals taken independent
  double from = 0, to = 0;   // the times used
  std::int64_t points = 0;
};

// Least squares of log(E - infimum) over the second half of the recorded times, as far as E stands
// above round-off (1e-13 of its first value). No value with fewer than 4 such points.
std::optional<RateFit> fit_rate(std::span<const double> times, std::span<const double> energies,
                                double infimum);

}  // namespace muonflow::flow
