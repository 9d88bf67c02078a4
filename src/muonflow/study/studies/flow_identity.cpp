#include "muonflow/study/studies/flow_identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/text.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowIdentity::kInfo{
    .name = "flow-identity",
    .title = "exact dissipation identity",
    .paper = "arXiv:2605.23871",
    .statement =
        "E = J + (1/gamma) mean Phi(M) obeys E' = -mean <M, grad Phi(M)> exactly, so it never "
        "rises; J itself need not be monotone.",
    .computes =
        "q = 5 tanh features, 16 particles of 3x4, epsilon 0.05, gamma 1, rk4 with steps 4h, 2h, "
        "h; "
        "each seed draws features, targets and particles anew."};

void FlowIdentity::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of problems");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.real("step", step, kPositive, "the smallest step h");
  v.real("end_time", end_time, kPositive, "time of the end");
}

FlowIdentity::Options FlowIdentity::quick() { return {.seeds = 2, .step = 2e-3}; }

std::vector<Bound> FlowIdentity::bounds(const Options& options) {
  return {
      {.name = "identity",
       .quantity = "|E(0) - E(t) - dissipated| over E(0) - inf J, largest over steps and seeds",
       // The leading error of rk4 is h^4 times a constant of order 1000 on this problem (1/epsilon
       // to the third); at h = 0.001 that leaves 1e-9.
       .high = 1e-9 * std::pow(std::max(options.step, 1e-3) / 1e-3, 4),
       .why =
           "the identity is exact; what remains is rk4's error at h = " + shortest(options.step)},
      {.name = "identity-slope",
       .quantity = "order in h of that error: slope of its log over log h, mean over seeds",
       .low = 3.85,
       .high = 4.15,
       .why = "rk4 has order 4: an error of the identity itself would not fall with h"},
      {.name = "energy-rises",
       .quantity = "steps at which E rises beyond round-off, all seeds",
       .high = 0,
       .why = "E' <= 0"},
      {.name = "dissipation-low",
       .quantity = "smallest -E'/(gamma K) over records and seeds, K = mean Phi(M)/gamma",
       .low = 1,
       .why = "Phi(P) <= <P, grad Phi(P)> for the smoothed nuclear norm"},
      {.name = "dissipation-high",
       .quantity = "largest -E'/(gamma K)",
       .high = 2,
       .why = "<P, grad Phi(P)> <= 2 Phi(P)"},
      {.name = "objective-rises",
       .quantity = "seeds in which J rises somewhere (of " + std::to_string(options.seeds) + ")",
       .low = 1,
       .broken = Broken::finding,
       .why = "J need not be monotone: one rise shows it"},
      {.name = "objective-rise-share",
       .quantity = "share of steps at which J rises, mean over seeds"}};
}

namespace {

struct IdentitySeed {
  std::array<double, 3> error{};  // at 4h, 2h, h
  double energy_rises = 0, objective_rises = 0, steps = 0;
  double ratio_low = std::numeric_limits<double>::infinity(), ratio_high = 0;
  std::vector<double> time, energy, objective, kinetic, dissipated;
  std::string trouble;
};

constexpr std::array<double, 3> kFactors{4, 2, 1};

IdentitySeed run_seed(const FlowIdentity::Options& options, std::int64_t seed) {
  IdentitySeed one;
  for (std::size_t i = 0; i < kFactors.size(); ++i) {
    const bool finest = kFactors[i] == 1;
    const FlowCase flow_case(small_problem(seed),
                             {fmt::format("integrator.step={}", kFactors[i] * options.step),
                              fmt::format("integrator.end_time={}", options.end_time),
                              fmt::format("record.every={}", options.end_time / 40)});
    const auto done = run_flow(flow_case, [&](const FlowSystem& system, const FlowState& state,
                                              const flow::LedgerEntry& entry) {
      if (!finest) return;
      one.time.push_back(entry.time);
      one.energy.push_back(entry.energy);
      one.objective.push_back(entry.objective);
      one.kinetic.push_back(entry.kinetic);
      one.dissipated.push_back(entry.dissipated);
      if (entry.kinetic == 0 || !state.velocity_known) return;
      const double ratio = state.rate / (system.gamma() * entry.kinetic);
      one.ratio_low = std::min(one.ratio_low, ratio);
      one.ratio_high = std::max(one.ratio_high, ratio);
    });
    if (!done.ok) one.trouble = done.trouble;
    one.error[i] = done.ok ? done.ledger.largest_relative_error : kNoValue;
    one.energy_rises += static_cast<double>(done.ledger.energy_increases);
    if (finest) {
      one.objective_rises = static_cast<double>(done.ledger.objective_increases);
      one.steps = static_cast<double>(flow_case.options.times().steps());
    }
  }
  return one;
}

}  // namespace

Measured FlowIdentity::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<double> errors, slopes, low, high, shares;
  double energy_rises = 0, rising = 0;
  Figure figure{.name = "energies",
                .caption =
                    "Energy falls, the objective need not: J, E and E + dissipated, which "
                    "the identity keeps level, of the first seed",
                .x = "time t",
                .y = "energy"};
  Figure orders{.name = "identity",
                .caption = "What is left of the identity falls like the fourth power of the step",
                .x = "step h",
                .y = "largest relative error of the ledger",
                .log_x = true,
                .log_y = true};
  std::vector<IdentitySeed> all(static_cast<std::size_t>(options.seeds));
  Work work{.total = static_cast<double>(options.seeds)};
  measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
    all[static_cast<std::size_t>(k)] = run_seed(options, options.seed + k);
  });
  if (measured.cancelled) return measured;
  std::vector<double> steps;
  for (const double factor : kFactors) steps.push_back(factor * options.step);
  for (std::size_t s = 0; s < all.size(); ++s) {
    const auto& one = all[s];
    if (!one.trouble.empty()) measured.remarks.push_back(one.trouble);
    const auto fit = fit_power(steps, one.error);
    errors.push_back(one.error.back());
    slopes.push_back(fit.slope.value);
    low.push_back(one.ratio_low);
    high.push_back(one.ratio_high);
    shares.push_back(one.objective_rises / one.steps);
    energy_rises += one.energy_rises;
    rising += one.objective_rises > 0;
    orders.curves.push_back(
        {.label = fmt::format("seed {}", options.seed + static_cast<std::int64_t>(s)),
         .drawn = Drawn::marks,
         .x = steps,
         .y = {one.error.begin(), one.error.end()}});
    if (s == 0)
      orders.curves.push_back(
          power_line("slope 4", steps, 4, std::log(one.error.back()) - 4 * std::log(options.step)));
    context.result({{"seed", options.seed + static_cast<std::int64_t>(s)},
                    {"identity", one.error.back()},
                    {"slope", fit.slope.value},
                    {"objective_rises", one.objective_rises},
                    {"steps", one.steps}});
  }
  const auto& first = all.front();
  std::vector<double> total;
  for (std::size_t i = 0; i < first.energy.size(); ++i) {
    total.push_back(first.energy[i] + first.dissipated[i]);
  }
  figure.curves = {
      {.label = "objective J", .x = first.time, .y = first.objective},
      {.label = "energy E", .x = first.time, .y = first.energy},
      {.label = "E + dissipated", .drawn = Drawn::dashed, .x = first.time, .y = total}};
  measured.figures = {std::move(figure), std::move(orders)};
  measured.add("identity", largest_of(errors));
  measured.add("identity-slope", mean_of(slopes));
  measured.add("energy-rises", {.value = energy_rises, .samples = options.seeds});
  measured.add("dissipation-low", smallest_of(low));
  measured.add("dissipation-high", largest_of(high));
  measured.add("objective-rises", {.value = rising, .samples = options.seeds});
  measured.add("objective-rise-share", mean_of(shares));
  return measured;
}

}  // namespace muonflow::study
