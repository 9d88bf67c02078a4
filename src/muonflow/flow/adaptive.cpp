#include "muonflow/flow/adaptive.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/reductions.hpp"

namespace muonflow::flow {
namespace {

template <class T>
class Adaptive final : public Integrator<T> {
 public:
  Adaptive(std::unique_ptr<Integrator<T>> inner, const IntegratorOptions& options)
      : inner_(std::move(inner)),
        tolerance_(options.tolerance.value_or(1e-6)),
        shortest_(1e-12 * options.step) {}

  const IntegratorInfo& info() const override { return inner_->info(); }
  void check(const System<T>& system, double step, const std::string& place) const override {
    inner_->check(system, step, place);
  }

  StepOutcome step(const System<T>& system, double h, State<T>& state) override {
    h = std::min(h, inner_->longest_step(system));
    StepOutcome halves;
    while (h >= shortest_) {
      double error = 0;
      halves = try_step(system, h, state, error);
      const double order = info().order;
      const double ratio = error > 0 ? 0.9 * std::pow(error, -1 / (order + 1)) : 5.0;
      const double next = h * std::clamp(ratio, 0.2, 5.0);
      if (halves.outcome.ok() && error <= 1) {
        std::swap(state, fine_);
        halves.next = std::min(next, inner_->longest_step(system));
        return halves;
      }
      h = std::min(next, h / 2);
    }
    if (halves.outcome.ok()) halves.outcome = {.status = Status::not_converged};
    halves.outcome.changed = false;
    return halves;
  }

 private:
  // Leaves the two halves in fine_; error in units of the tolerance, infinite where a step failed.
  StepOutcome try_step(const System<T>& system, double h, const State<T>& state, double& error) {
    error = std::numeric_limits<double>::infinity();
    whole_ = state;
    fine_ = state;
    const auto whole = inner_->step(system, h, whole_);
    if (!whole.outcome.ok()) return whole;
    const auto first = inner_->step(system, h / 2, fine_);
    if (!first.outcome.ok()) return first;
    const auto second = inner_->step(system, h / 2, fine_);
    if (!second.outcome.ok()) return second;
    detail::add_scaled(whole_.W, T{-1}, fine_.W, whole_.W);
    detail::add_scaled(whole_.M, T{-1}, fine_.M, whole_.M);
    const double count = static_cast<double>(2 * system.layout().total() * system.layout().width());
    const auto size = [&](const State<T>& x) {
      return std::sqrt((detail::inner(system, x.W, x.W) + detail::inner(system, x.M, x.M)) / count);
    };
    const double estimate = size(whole_) / (std::pow(2, info().order) - 1);
    error = estimate / (tolerance_ * (1 + size(fine_)));
    if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
    return {.elapsed = h,
            .dissipated = first.dissipated + second.dissipated,
            .parts = first.parts + second.parts};
  }

  std::unique_ptr<Integrator<T>> inner_;
  double tolerance_;
  double shortest_;
  State<T> whole_, fine_;
};

}  // namespace

template <class T>
std::unique_ptr<Integrator<T>> make_adaptive(const IntegratorEntry& entry,
                                             const IntegratorOptions& options,
                                             const std::string& place) {
  if (entry.info.controls_error) return entry.make<T>(options);
  if (entry.info.relaxes_time) {
    throw ConfigError({.place = place,
                       .what = "integrator '" + entry.name + "' chooses its time, not its step",
                       .advice = "leave adaptive at false"});
  }
  auto own = options;
  own.tolerance.reset();
  return std::make_unique<Adaptive<T>>(entry.make<T>(own), options);
}

template std::unique_ptr<Integrator<float>> make_adaptive(const IntegratorEntry&,
                                                          const IntegratorOptions&,
                                                          const std::string&);
template std::unique_ptr<Integrator<double>> make_adaptive(const IntegratorEntry&,
                                                           const IntegratorOptions&,
                                                           const std::string&);

}  // namespace muonflow::flow
