#include "muonflow/study/studies/flow_hard_limit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowHardLimit::kInfo{
    .name = "flow-hard-limit",
    .title = "epsilon to 0, and infinite damping",
    .paper = "arXiv:2605.23871",
    .statement =
        "As epsilon goes to 0 the flow goes to that of hard Muon, along a subsequence: the "
        "energies "
        "differ by at most r epsilon/gamma at the same (W, M). (Derived here: the paths, the limit "
        "cycle of the hard step, and the momentum-free flow as gamma goes to infinity.)",
    .computes =
        "the problem of flow-identity by leapfrog for every epsilon beside the nuclear norm "
        "itself; "
        "hard Muon with constant steps on a quadratic; rising gamma beside the momentum-free "
        "flow."};

void FlowHardLimit::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of problems");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.real("step", step, kPositive, "of leapfrog, for every epsilon alike");
  v.real("end_time", end_time, kPositive, "time of the end");
  v.real_list("epsilons", epsilons, kPositive, "largest first");
  v.real_list("muon_steps", muon_steps, kPositive, "of hard Muon, largest first");
  v.real("muon_time", muon_time, kPositive, "end of those runs; the floor is reached by about 20");
  v.real_list("gammas", gammas, kPositive, "dampings, smallest first");
}

FlowHardLimit::Options FlowHardLimit::quick() {
  return {.seeds = 2,
          .step = 0.005,
          .end_time = 1,
          .epsilons = {1e-2, 1e-3, 1e-4},
          .muon_steps = {0.08, 0.04, 0.02},
          .muon_time = 30,
          .gammas = {16, 32, 64}};
}

std::vector<Bound> FlowHardLimit::bounds(const Options& options) {
  if (options.epsilons.size() < 2 || options.muon_steps.size() < 2 || options.gammas.size() < 2) {
    throw ConfigError({.place = "flow-hard-limit",
                       .expected = "at least two epsilons, muon_steps and gammas",
                       .found = "fewer"});
  }
  return {
      {.name = "gap",
       .quantity = "(E_0 - E_epsilon) gamma/(r epsilon) at the same (W, M), largest over records, "
                   "epsilons and seeds",
       .low = 0,
       .high = 1 + 1e-8,
       .why = "0 <= ||P||_* - Phi_epsilon(P) <= r epsilon; 1e-8 for round-off"},
      {.name = "gap-slope",
       .quantity = "slope of the largest gap of a run over epsilon, log-log, mean over seeds",
       .low = 0.95,
       .high = 1.05,
       .broken = Broken::finding,
       .why = "the gap is r epsilon/gamma where every singular value stands above epsilon"},
      {.name = "path-slope",
       .quantity = "slope of the largest distance to the hard flow's path over epsilon, epsilon >= "
                   "1e-4, log-log, mean over seeds",
       .low = 0.8,
       .high = 1.2,
       .broken = Broken::finding,
       .why = "a singular value that leaves or crosses 0 at speed c delays the path by epsilon/c"},
      {.name = "floor-slope",
       .quantity = "slope of the objective's floor under hard Muon over its step, momentum 0.95, "
                   "log-log, mean over seeds",
       .low = 1.85,
       .high = 2.15,
       .broken = Broken::finding,
       .why = "(W/h, M/h) follow one map whatever h: a limit cycle of amplitude O(h), J = O(h^2)"},
      {.name = "floor-slope-inertial",
       .quantity =
           "slope of the floor over the step with momentum 1 - gamma h, log-log, mean over seeds",
       .low = 1.85,
       .high = 2.15,
       .broken = Broken::finding,
       .why = "the same amplitude, were the weaker damping of smaller steps of no account"},
      {.name = "smoothed-floor",
       .quantity = "J at that time with epsilon = 0.05 over the floor of hard Muon, at the largest "
                   "step, largest over seeds",
       .high = 1e-3,
       .broken = Broken::finding,
       .why = "the smoothed step is stable there: it converges where the hard one cycles"},
      {.name = "damping-slope",
       .quantity = "slope of the distance of W to the momentum-free flow over gamma, log-log, mean "
                   "over seeds",
       .high = -0.85,
       .broken = Broken::finding,
       .why = "the momentum lags the force by 1/gamma: a distance of O(1/gamma)"}};
}

namespace {

struct HardLimitSeed {
  std::vector<double> worst_gap, gap, path;  // [epsilon]: relative, absolute, largest distance
  std::vector<double> floors, inertial;      // [muon step]: fixed momentum, fixed gamma
  double smoothed_floor = kNoValue;
  std::vector<double> damping;  // [gamma]
  std::string trouble;
};

// Largest gap of one run and its path's largest distance to a path of the same times.
void run_epsilon(const FlowHardLimit::Options& options, std::int64_t seed, double epsilon,
                 const std::vector<FlowState>& hard, HardLimitSeed& one) {
  double worst = 0, smallest = 0, gap = 0, path = 0;
  std::size_t at = 0;
  const auto done = run_flow(
      FlowCase(small_problem(seed),
               {"integrator.kind=leapfrog", fmt::format("integrator.step={}", options.step),
                fmt::format("integrator.end_time={}", options.end_time),
                fmt::format("geometry.epsilon={}", epsilon)}),
      [&](const FlowSystem& system, const FlowState& state, const flow::LedgerEntry& entry) {
        double nuclear = 0;
        const auto spectra = system.spectra(state.M);
        for (const double s : spectra.mean.front()) nuclear += s;
        const double now = nuclear / system.gamma() - entry.kinetic;
        const auto rank = static_cast<double>(spectra.mean.front().size());
        const double share = now * system.gamma() / (rank * epsilon);
        gap = std::max(gap, now);
        worst = std::max(worst, share);
        // Below 0 by no more than the rounding of the two sums.
        if (now < -1e-15 * (1 + nuclear)) smallest = std::min(smallest, share);
        if (at < hard.size()) path = std::max(path, particle_distance(state, hard[at++]));
      });
  if (!done.ok) one.trouble = done.trouble;
  one.worst_gap.push_back(!done.ok ? kNoValue : smallest < 0 ? smallest : worst);
  one.gap.push_back(done.ok ? gap : kNoValue);
  one.path.push_back(done.ok ? path : kNoValue);
}

// Mean of J over the last quarter of a run of hard (epsilon 0) or regularized Muon, momentum
// 1 - gamma step, on a quadratic.
double floor_of(std::int64_t seed, double end, double step, double gamma, double epsilon,
                std::string& trouble) {
  const auto geometry = epsilon > 0
                            ? fmt::format("kind = \"smoothed_nuclear\"\nepsilon = {}", epsilon)
                            : std::string("kind = \"nuclear\"");
  double sum = 0, count = 0;
  const auto done = run_flow(
      FlowCase(fmt::format(
          "[objective]\nkind = \"quadratic\"\nscale = 0.0\n[geometry]\n{}\n[dynamics]\ngamma = {}\n"
          "[integrator]\nkind = \"muon\"\nstep = {}\nend_time = {}\n[particles]\ncount = 16\nshape "
          "= [3, "
          "3]\nseed = {}\n[record]\nevery = {}\n",
          geometry, gamma, step, end, derived_seed(seed, 3), step)),
      [&](const FlowSystem&, const FlowState&, const flow::LedgerEntry& entry) {
        if (entry.time < 0.75 * end) return;
        sum += entry.objective;
        count += 1;
      });
  if (!done.ok) trouble = done.trouble;
  return done.ok ? sum / count : kNoValue;
}

double damping_gap(const FlowHardLimit::Options& options, std::int64_t seed, double gamma,
                   const FlowState& free, std::string& trouble) {
  (void)options;
  const auto done = run_flow(FlowCase(
      small_problem(seed),
      {fmt::format("dynamics.gamma={}", gamma), "integrator.end_time=1.0", "record.every=1.0",
       // rk4 is stable to gamma h of 2.78 and accurate well below.
       fmt::format("integrator.step={}", std::min(0.0025, 0.25 / gamma))}));
  if (!done.ok) trouble = done.trouble;
  return done.ok ? (done.state.W - free.W).norm() / std::sqrt(static_cast<double>(free.W.rows()))
                 : kNoValue;
}

HardLimitSeed run_seed(const FlowHardLimit::Options& options, std::int64_t seed) {
  HardLimitSeed one;
  std::vector<FlowState> hard;
  auto nuclear =
      FlowCase(small_problem(seed),
               {"integrator.kind=leapfrog", fmt::format("integrator.step={}", options.step),
                fmt::format("integrator.end_time={}", options.end_time)});
  nuclear.options.geometry =
      std::make_shared<const Json>(Json{{"kind", "nuclear"}, {"weight", 1.0}});
  const auto done =
      run_flow(nuclear, [&](const FlowSystem&, const FlowState& state, const flow::LedgerEntry&) {
        hard.push_back({.layout = state.layout, .W = state.W, .M = state.M});
      });
  if (!done.ok) one.trouble = done.trouble;
  for (const double epsilon : options.epsilons) run_epsilon(options, seed, epsilon, hard, one);
  for (const double step : options.muon_steps) {
    one.floors.push_back(floor_of(seed, options.muon_time, step, 0.05 / step, 0, one.trouble));
    one.inertial.push_back(floor_of(seed, options.muon_time, step, 1, 0, one.trouble));
  }
  one.smoothed_floor =
      floor_of(seed, options.muon_time, options.muon_steps.front(), 1, 0.05, one.trouble) /
      one.inertial.front();
  const auto free = run_flow(
      FlowCase(small_problem(seed), {"dynamics.kind=momentum_free", "integrator.end_time=1.0",
                                     "integrator.step=0.0025", "record.every=1.0"}));
  if (!free.ok) one.trouble = free.trouble;
  for (const double gamma : options.gammas) {
    one.damping.push_back(free.ok ? damping_gap(options, seed, gamma, free.state, one.trouble)
                                  : kNoValue);
  }
  return one;
}

// Geometric means over seeds of one column each.
std::vector<double> geometric_means(const std::vector<HardLimitSeed>& all,
                                    const std::vector<double> HardLimitSeed::*column) {
  std::vector<double> means((all.front().*column).size());
  for (const auto& one : all) {
    for (std::size_t i = 0; i < means.size(); ++i) {
      means[i] += std::log((one.*column)[i]) / static_cast<double>(all.size());
    }
  }
  for (double& mean : means) mean = std::exp(mean);
  return means;
}

std::vector<double> slopes(const std::vector<HardLimitSeed>& all, const std::vector<double>& x,
                           const std::vector<double> HardLimitSeed::*column) {
  std::vector<double> found;
  for (const auto& one : all) {
    found.push_back(fit_power(x, std::span((one.*column)).first(x.size())).slope.value);
  }
  return found;
}

Curve marks(const std::string& label, const std::vector<double>& x, const std::vector<double>& y) {
  return {.label = label, .drawn = Drawn::marks, .x = x, .y = y};
}

// The line of a declared slope through the last point.
Curve through_last(const std::string& label, const std::vector<double>& x,
                   const std::vector<double>& y, double slope) {
  return power_line(label, x, slope, std::log(y.back()) - slope * std::log(x.back()));
}

}  // namespace

Measured FlowHardLimit::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<HardLimitSeed> all(static_cast<std::size_t>(options.seeds));
  Work work{.total = static_cast<double>(options.seeds)};
  measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
    all[static_cast<std::size_t>(k)] = run_seed(options, options.seed + k);
  });
  if (measured.cancelled) return measured;
  std::vector<double> worst, smoothed;
  for (std::size_t s = 0; s < all.size(); ++s) {
    const auto& one = all[s];
    if (!one.trouble.empty()) measured.remarks.push_back(one.trouble);
    const double low = *std::min_element(one.worst_gap.begin(), one.worst_gap.end());
    worst.push_back(low < 0 ? low : largest_of(one.worst_gap).value);
    smoothed.push_back(one.smoothed_floor);
    context.result({{"seed", options.seed + static_cast<std::int64_t>(s)},
                    {"gap", one.gap},
                    {"path", one.path},
                    {"floors", one.floors},
                    {"inertial_floors", one.inertial},
                    {"damping", one.damping}});
  }
  std::vector<double> paths_at;
  for (const double epsilon : options.epsilons) {
    if (epsilon >= 0.99e-4) paths_at.push_back(epsilon);
  }
  const bool below = *std::min_element(worst.begin(), worst.end()) < 0;
  measured.add("gap", below ? smallest_of(worst) : largest_of(worst));
  measured.add("gap-slope", mean_of(slopes(all, options.epsilons, &HardLimitSeed::gap)));
  measured.add("path-slope", mean_of(slopes(all, paths_at, &HardLimitSeed::path)));
  measured.add("floor-slope", mean_of(slopes(all, options.muon_steps, &HardLimitSeed::floors)));
  measured.add("floor-slope-inertial",
               mean_of(slopes(all, options.muon_steps, &HardLimitSeed::inertial)));
  measured.add("smoothed-floor", largest_of(smoothed));
  measured.add("damping-slope", mean_of(slopes(all, options.gammas, &HardLimitSeed::damping)));

  const auto gaps = geometric_means(all, &HardLimitSeed::gap),
             paths = geometric_means(all, &HardLimitSeed::path);
  const auto inertial = geometric_means(all, &HardLimitSeed::inertial);
  const auto floors = geometric_means(all, &HardLimitSeed::floors),
             damping = geometric_means(all, &HardLimitSeed::damping);
  std::vector<double> allowed;
  for (const double epsilon : options.epsilons) allowed.push_back(3 * epsilon);
  measured.figures = {
      {.name = "epsilon",
       .caption =
           "Energy gap at the same point, below its bound r epsilon/gamma, and distance to the "
           "path of the hard flow; geometric means over seeds",
       .x = "epsilon",
       .y = "gap, distance",
       .log_x = true,
       .log_y = true,
       .curves = {marks("E_0 - E_epsilon", options.epsilons, gaps),
                  {.label = "r epsilon/gamma",
                   .drawn = Drawn::dashed,
                   .x = options.epsilons,
                   .y = allowed},
                  marks("distance of paths", options.epsilons, paths)}},
      {.name = "floor",
       .caption = "Hard Muon with a constant step does not converge: the floor of J on a quadratic",
       .x = "step h",
       .y = "J, mean of the last quarter",
       .log_x = true,
       .log_y = true,
       .curves = {marks("momentum 0.95", options.muon_steps, floors),
                  through_last("slope 2", options.muon_steps, floors, 2),
                  marks("momentum 1 - gamma h", options.muon_steps, inertial)}},
      {.name = "damping",
       .caption = "The flow with much damping beside the flow without momentum",
       .x = "gamma",
       .y = "distance of W at t = 1",
       .log_x = true,
       .log_y = true,
       .curves = {marks("distance", options.gammas, damping),
                  through_last("slope -1", options.gammas, damping, -1)}}};
  return measured;
}

}  // namespace muonflow::study
