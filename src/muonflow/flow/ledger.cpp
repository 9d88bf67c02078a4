#include "muonflow/flow/ledger.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace muonflow::flow {

template <class T>
Ledger Ledger::start(const System<T>& system, const State<T>& state) {
  Ledger ledger;
  ledger.energy = ledger.initial_energy = system.energy(state);
  ledger.objective = state.objective;
  const double above = std::abs(ledger.initial_energy - system.objective().infimum().value_or(0.0));
  ledger.scale = above > 0 ? above : 1;
  return ledger;
}

template <class T>
void Ledger::add(const System<T>& system, const State<T>& state, double dissipated_by_step) {
  // Compensated: over a million steps a plain sum would show in the ledger.
  const double term = dissipated_by_step - carry;
  const double sum = dissipated + term;
  carry = (sum - dissipated) - term;
  dissipated = sum;
  const double now = system.energy(state);
  // A few roundings of the sums behind E: that is no rise.
  const double roundoff = 16 * static_cast<double>(std::numeric_limits<T>::epsilon()) *
                          (std::abs(now) + std::abs(state.objective));
  energy_increases += now > energy + roundoff;
  objective_increases += state.objective > objective;
  energy = now;
  objective = state.objective;
  largest_relative_error = std::max(largest_relative_error, relative_error());
}

template <class T>
LedgerEntry Ledger::entry(const System<T>& system, const State<T>& state, std::int64_t step) const {
  return {.step = step,
          .time = state.time,
          .objective = state.objective,
          .kinetic = system.kinetic_energy(state),
          .energy = energy,
          .dissipated = dissipated,
          .ledger_error = error(),
          .relative_ledger_error = relative_error(),
          .momentum_op_norm = system.spectra(state.M).largest,
          .objective_increases = objective_increases,
          .energy_increases = energy_increases,
          .statistics = std::nullopt};
}

double Ledger::relative_error() const { return std::abs(error()) / scale; }

std::optional<RateFit> fit_rate(std::span<const double> times, std::span<const double> energies,
                                double infimum) {
  if (times.empty()) return std::nullopt;
  const double floor = 1e-13 * std::abs(energies.front() - infimum);
  const double half = 0.5 * (times.front() + times.back());
  std::vector<double> t, y;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double above = energies[i] - infimum;
    if (times[i] < half || !(above > floor)) continue;
    t.push_back(times[i]);
    y.push_back(std::log(above));
  }
  const auto n = static_cast<double>(t.size());
  if (t.size() < 4) return std::nullopt;
  double mean_t = 0, mean_y = 0;
  for (std::size_t i = 0; i < t.size(); ++i) mean_t += t[i] / n, mean_y += y[i] / n;
  double tt = 0, ty = 0;
  for (std::size_t i = 0; i < t.size(); ++i) {
    tt += (t[i] - mean_t) * (t[i] - mean_t);
    ty += (t[i] - mean_t) * (y[i] - mean_y);
  }
  const double slope = ty / tt;
  double residual = 0;
  for (std::size_t i = 0; i < t.size(); ++i) {
    const double r = y[i] - mean_y - slope * (t[i] - mean_t);
    residual += r * r;
  }
  // Student's 97.5% point by the first two terms of its expansion about the normal one.
  const double freedom = n - 2, z = 1.959964;
  const double quantile =
      z + (z * z * z + z) / (4 * freedom) +
      (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * freedom * freedom);
  const double half_width = quantile * std::sqrt(residual / freedom / tt);
  return RateFit{.rate = -slope,
                 .low = -slope - half_width,
                 .high = -slope + half_width,
                 .from = t.front(),
                 .to = t.back(),
                 .points = static_cast<std::int64_t>(t.size())};
}

template Ledger Ledger::start(const System<float>&, const State<float>&);
template Ledger Ledger::start(const System<double>&, const State<double>&);
template void Ledger::add(const System<float>&, const State<float>&, double);
template void Ledger::add(const System<double>&, const State<double>&, double);
template LedgerEntry Ledger::entry(const System<float>&, const State<float>&, std::int64_t) const;
template LedgerEntry Ledger::entry(const System<double>&, const State<double>&, std::int64_t) const;

}  // namespace muonflow::flow
