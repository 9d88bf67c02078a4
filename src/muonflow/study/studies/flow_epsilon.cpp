#include "muonflow/study/studies/flow_epsilon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowEpsilon::kInfo{
    .name = "flow-epsilon",
    .title = "absolute epsilon and the speed of convergence",
    .paper = "arXiv:2605.23871",
    .statement =
        "Under gradient dominance J converges exponentially; epsilon is absolute and decides the "
        "rate. (Derived here: the tail's exact rate gamma - Re sqrt(gamma^2 - 4 gamma "
        "lambda/epsilon), "
        "the speed -J' = ||G||_* far away, the best epsilon between.)",
    .computes =
        "a quadratic of curvature lambda by leapfrog for every epsilon, from far away; the tail of "
        "the "
        "problem of flow-identity against the smallest eigenvalue of mean DF DF^* at its end; the "
        "hard limit at small amplitude."};

void FlowEpsilon::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of initial states and problems");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.real("gamma", gamma, kPositive, "damping");
  v.real("lambda", lambda, kPositive, "curvature of the quadratic");
  v.real_list("epsilons", epsilons, kPositive, "smallest first");
  v.real("compared_at", compared_at, kPositive, "time at which the epsilons are compared");
  v.real("ridge_time", ridge_time, kPositive, "end of the runs with tanh features");
  v.real("hard_depth", hard_depth, {.lo = 2}, "range of energies over which hard-rate is fitted");
}

FlowEpsilon::Options FlowEpsilon::quick() {
  return {.seeds = 2, .epsilons = {1e-2, 1e-1, 1}, .ridge_time = 70, .hard_depth = 10};
}

std::vector<Bound> FlowEpsilon::bounds(const Options& options) {
  const auto& e = options.epsilons;
  if (e.size() < 3 || !std::is_sorted(e.begin(), e.end())) {
    throw ConfigError({.place = "epsilons",
                       .expected = "at least three numbers, smallest first",
                       .found = std::to_string(e.size())});
  }
  return {
      {.name = "tail",
       .quantity = "|fitted over predicted rate of the tail - 1| on the quadratic, largest over "
                   "epsilons and seeds",
       .high = 0.03,
       .why = "near the minimum the flow is a damped oscillator of stiffness gamma lambda/epsilon"},
      {.name = "tail-ridge",
       .quantity = "|fitted over predicted rate of the tail - 1| on tanh features with the "
                   "measured lambda, "
                   "epsilon 0.2, largest over seeds",
       .high = 0.03,
       .why = "lambda is the smallest eigenvalue of mean DF DF^*: the slowest mode wins"},
      {.name = "far-low",
       .quantity = "smallest -J'/||G||_* while all s_i(M) >= 10 epsilon and no component of W has "
                   "arrived, epsilon 1e-3, over records and seeds",
       .low = 0.995,
       .why = "s/sqrt(s^2 + epsilon^2) >= 1 - 1/200 there; M shares G's singular vectors"},
      {.name = "far-high",
       .quantity = "largest -J'/||G||_*, all records",
       .high = 1 + 1e-9,
       .why = "||grad Phi||_op <= 1; 1e-9 for round-off"},
      {.name = "hard-rate",
       .quantity =
           "rate of E over gamma while epsilon is far below the momenta and the amplitude well "
           "below 1/gamma, mean over seeds",
       .low = 0.97 * 2 / 3,
       .high = 1.03 * 2 / 3,
       .broken = Broken::finding,
       .why = "virial: a linear kinetic and a quadratic potential energy share E as 2 to 1, E' = "
              "-gamma K"},
      {.name = "best",
       .quantity = fmt::format("epsilon of the smallest E at t = {}, geometric mean over seeds",
                               shortest(options.compared_at)),
       .low = std::sqrt(e[0] * e[1]),
       .high = std::sqrt(e[e.size() - 2] * e.back()),
       .broken = Broken::finding,
       .why = "too small stays long in the slow 2/3 gamma regime, too large is overdamped"},
      {.name = "best-over-critical", .quantity = "that epsilon over the critical 4 lambda/gamma"}};
}

namespace {

double predicted(double gamma, double stiffness) {
  const double under = gamma * gamma - 4 * gamma * stiffness;
  return gamma - (under > 0 ? std::sqrt(under) : 0.0);
}

// Rate of exponential decay over the records between two levels of energy.
double rate_between(const std::vector<double>& time, const std::vector<double>& energy, double high,
                    double low) {
  std::vector<double> t, y;
  for (std::size_t i = 0; i < time.size(); ++i) {
    if (!(energy[i] <= high && energy[i] >= low)) continue;
    t.push_back(time[i]);
    y.push_back(std::log(energy[i]));
  }
  return t.size() < 20 ? kNoValue : -fit_line(t, y).slope.value;
}

std::string bowl(const FlowEpsilon::Options& options, const std::string& geometry,
                 std::int64_t seed, double scale, double step, double end, double every) {
  return fmt::format(
      "[objective]\nkind = \"quadratic\"\nlambda = {}\nscale = 0.0\n[geometry]\n{}\n[dynamics]\n"
      "gamma = {}\n[integrator]\nkind = \"leapfrog\"\nstep = {}\nend_time = {}\n[particles]\ncount "
      "= "
      "1\nshape = [2, 3]\nseed = {}\nscale = {}\n[record]\nevery = {}\n",
      options.lambda, geometry, options.gamma, step, end, derived_seed(seed, 4), scale, every);
}

struct EpsilonSeed {
  std::vector<double> rate, compared;             // [epsilon]: fitted, E at the time of comparison
  std::vector<std::vector<double>> time, energy;  // [epsilon], thinned
  double far_low = kNoValue, far_high = kNoValue, hard_rate = kNoValue;
  double ridge_rate = kNoValue, ridge_predicted = kNoValue, ridge_lambda = kNoValue;
  std::string trouble;
};

void run_epsilon(const FlowEpsilon::Options& options, std::int64_t seed, double epsilon,
                 EpsilonSeed& one) {
  const double stiffness = options.lambda / epsilon;
  const double rate = predicted(options.gamma, stiffness);
  const double step = std::min(0.02, 0.1 / std::sqrt(options.gamma * stiffness));
  // The tail begins where the momenta are small beside epsilon: E gamma well below epsilon.
  const double high = 1e-4 * epsilon / options.gamma, folds = 60;
  const double end = std::max(options.compared_at, (folds + 10 + std::log(1 / high)) /
                                                       std::min(rate, 2 * options.gamma / 3));
  std::vector<double> time, energy;
  double compared = kNoValue;
  const auto done = run_flow(
      FlowCase(bowl(options, fmt::format("kind = \"smoothed_nuclear\"\nepsilon = {}", epsilon),
                    seed, 1, step, end, 5 * step)),
      [&](const FlowSystem&, const FlowState&, const flow::LedgerEntry& entry) {
        time.push_back(entry.time);
        energy.push_back(entry.energy);
        if (std::isnan(compared) && entry.time >= options.compared_at) compared = entry.energy;
      });
  if (!done.ok) one.trouble = done.trouble;
  one.rate.push_back(done.ok ? rate_between(time, energy, high, high * std::exp(-folds))
                             : kNoValue);
  one.compared.push_back(compared);
  auto& t = one.time.emplace_back();
  auto& y = one.energy.emplace_back();
  const auto stride = std::max<std::size_t>(1, time.size() / 300);
  for (std::size_t i = 0; i < time.size(); i += stride) {
    if (energy[i] < 1e-24) break;
    t.push_back(time[i]);
    y.push_back(energy[i]);
  }
}

// -J'/||G||_* from far away, with epsilon 1e-3.
void run_far(const FlowEpsilon::Options& options, std::int64_t seed, EpsilonSeed& one) {
  constexpr double kEpsilon = 1e-3;
  constexpr double kEvery = 0.1;
  Matrix<double> velocity;
  std::vector<double> far, all;
  bool arrived = false;
  FlowCase flow_case(bowl(options,
                          fmt::format("kind = \"smoothed_nuclear\"\nepsilon = {}", kEpsilon), seed,
                          1, 0.01, 20, kEvery));
  // Every singular value far from 0, in a frame that the seed turns.
  std::vector<double> start(6);
  Rng rng(derived_seed(seed, 5));
  for (std::size_t k = 0; k < start.size(); ++k) {
    start[k] = 20 * ((k % 4 == 0 ? 1.0 : 0.0) + 0.2 * rng.normal());
  }
  flow_case.data.initial =
      TensorMap{{"W", make_tensor<double>({1, 2, 3}, std::span<const double>(start))}};
  const auto done = run_flow(flow_case, [&](const FlowSystem& system, const FlowState& state,
                                            const flow::LedgerEntry& entry) {
    flow::Kinetic kinetic;
    if (entry.time == 0 || !system.velocity(state.M, velocity, kinetic).ok()) return;
    // One particle: its spectrum is the mean. Its components move by at most kEvery a record.
    const auto force = system.spectra(state.G).mean.front();
    double nuclear = 0;
    for (const double s : force) nuclear += s;
    arrived = arrived || force.back() < 2 * options.lambda * kEvery;
    const double smallest = system.spectra(state.M).mean.front().back();
    const double ratio = state.G.cwiseProduct(velocity).sum() / nuclear;
    all.push_back(ratio);
    if (smallest >= 10 * kEpsilon && !arrived) far.push_back(ratio);
  });
  if (!done.ok) one.trouble = done.trouble;
  one.far_low = smallest_of(far).value;
  one.far_high = largest_of(all).value;
}

// Epsilon so small that the kinetic energy is linear all but at the turning points, and an
// integrator that keeps the ledger: leapfrog can lock into a cycle here that feeds on its own
// error.
void run_hard(const FlowEpsilon::Options& options, std::int64_t seed, EpsilonSeed& one) {
  // Amplitude a with gamma a = 0.1 sets E = lambda a^2/2; the fit spans hard_depth below.
  const double amplitude = 0.1 / options.gamma;
  const double high = 0.5 * options.lambda * amplitude * amplitude, low = high / options.hard_depth;
  const double epsilon = 0.02 * low * options.gamma;
  // A momentum crosses epsilon at the speed gamma lambda x, x about the amplitude at the end.
  const double step =
      0.4 * epsilon * std::sqrt(options.hard_depth) / (options.gamma * options.lambda * amplitude);
  const double end =
      1.5 * std::log(options.hard_depth) / (2 * options.gamma / 3) + 4 / options.gamma;
  std::vector<double> time, energy;
  double error = 0;
  const auto done = run_flow(
      FlowCase(bowl(options, fmt::format("kind = \"smoothed_nuclear\"\nepsilon = {}", epsilon),
                    seed, amplitude, step, end, 20 * step),
               {"integrator.kind=relaxed"}),
      [&](const FlowSystem&, const FlowState&, const flow::LedgerEntry& entry) {
        time.push_back(entry.time);
        energy.push_back(entry.energy);
        if (entry.energy >= low) error = std::max(error, std::abs(entry.ledger_error));
      });
  if (!done.ok) one.trouble = done.trouble;
  if (error > 0.1 * low)
    one.trouble = "the ledger of a hard run is off by more than a tenth of its energy";
  if (done.ok && error <= 0.1 * low)
    one.hard_rate = rate_between(time, energy, high, low) / options.gamma;
}

// Eigenvalues of mean_i DF(W_i) DF(W_i)^*, [q, q], ascending.
Vector<double> tangent_spectrum(const FlowSystem& system, const FlowState& state) {
  const auto& objective = system.objective();
  const Index q = objective.features(), n = state.W.rows();
  linalg::Workspace<double> workspace;
  std::vector<double> sum(static_cast<std::size_t>(q)), unit(static_cast<std::size_t>(q));
  std::vector<Matrix<double>> pulled;
  for (Index k = 0; k < q; ++k) {
    Matrix<double> tape(n, objective.tape_width()), g(n, state.W.cols());
    objective.forward(state.W, tape, sum, workspace);
    std::fill(unit.begin(), unit.end(), 0.0);
    unit[static_cast<std::size_t>(k)] = 1;
    objective.pullback(state.W, tape, unit, g, workspace);
    pulled.push_back(std::move(g));
  }
  Matrix<double> kernel(q, q);
  for (Index a = 0; a < q; ++a) {
    for (Index b = 0; b < q; ++b) {
      kernel(a, b) = pulled[static_cast<std::size_t>(a)]
                         .cwiseProduct(pulled[static_cast<std::size_t>(b)])
                         .sum() /
                     static_cast<double>(n);
    }
  }
  return linalg::eigh<double>(kernel).values;
}

void run_ridge(const FlowEpsilon::Options& options, std::int64_t seed, EpsilonSeed& one) {
  constexpr double kEpsilon = 0.2;
  const FlowCase flow_case(
      small_problem(seed),
      {fmt::format("geometry.epsilon={}", kEpsilon), "integrator.kind=leapfrog",
       "integrator.step=0.02", fmt::format("integrator.end_time={}", options.ridge_time),
       "record.every=0.2"});
  std::vector<double> time, energy;
  Vector<double> lambda;
  const auto done = run_flow(flow_case, [&](const FlowSystem& system, const FlowState& state,
                                            const flow::LedgerEntry& entry) {
    time.push_back(entry.time);
    energy.push_back(entry.energy);
    if (entry.time >= options.ridge_time - 1e-9) lambda = tangent_spectrum(system, state);
  });
  if (!done.ok) one.trouble = done.trouble;
  if (!done.ok || lambda.size() == 0) return;
  // From where the slow modes are left alone, as far as double precision carries J.
  one.ridge_rate = rate_between(time, energy, 1e-10 * energy.front(), 1e-24 * energy.front());
  one.ridge_lambda = lambda(0);
  one.ridge_predicted = predicted(flow_case.options.dynamics.gamma, lambda(0) / kEpsilon);
}

EpsilonSeed run_seed(const FlowEpsilon::Options& options, std::int64_t seed) {
  EpsilonSeed one;
  for (const double epsilon : options.epsilons) run_epsilon(options, seed, epsilon, one);
  run_far(options, seed, one);
  run_hard(options, seed, one);
  run_ridge(options, seed, one);
  return one;
}

}  // namespace

Measured FlowEpsilon::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<EpsilonSeed> all(static_cast<std::size_t>(options.seeds));
  Work work{.total = static_cast<double>(options.seeds)};
  measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
    all[static_cast<std::size_t>(k)] = run_seed(options, options.seed + k);
  });
  if (measured.cancelled) return measured;
  const auto& epsilons = options.epsilons;
  std::vector<double> tail, ridge, far_low, far_high, hard, best, mean_compared(epsilons.size()),
      rates(epsilons.size());
  for (std::size_t s = 0; s < all.size(); ++s) {
    const auto& one = all[s];
    if (!one.trouble.empty()) measured.remarks.push_back(one.trouble);
    for (std::size_t i = 0; i < epsilons.size(); ++i) {
      tail.push_back(
          std::abs(one.rate[i] / predicted(options.gamma, options.lambda / epsilons[i]) - 1));
      rates[i] += one.rate[i] / static_cast<double>(all.size());
      mean_compared[i] += std::log(one.compared[i]) / static_cast<double>(all.size());
    }
    ridge.push_back(std::abs(one.ridge_rate / one.ridge_predicted - 1));
    far_low.push_back(one.far_low);
    far_high.push_back(one.far_high);
    hard.push_back(one.hard_rate);
    const auto least = std::min_element(one.compared.begin(), one.compared.end());
    best.push_back(std::log(epsilons[static_cast<std::size_t>(least - one.compared.begin())]));
    context.result({{"seed", options.seed + static_cast<std::int64_t>(s)},
                    {"rates", one.rate},
                    {"compared", one.compared},
                    {"ridge_rate", one.ridge_rate},
                    {"ridge_predicted", one.ridge_predicted},
                    {"ridge_lambda", one.ridge_lambda},
                    {"hard_rate", one.hard_rate}});
  }
  measured.add("tail", largest_of(tail));
  measured.add("tail-ridge", largest_of(ridge));
  measured.add("far-low", smallest_of(far_low));
  measured.add("far-high", largest_of(far_high));
  measured.add("hard-rate", mean_of(hard));
  auto chosen = mean_of(best);
  for (double* value : {&chosen.value, &chosen.low, &chosen.high}) *value = std::exp(*value);
  measured.add("best", chosen);
  const double critical = 4 * options.lambda / options.gamma;
  measured.add("best-over-critical", {.value = chosen.value / critical,
                                      .low = chosen.low / critical,
                                      .high = chosen.high / critical,
                                      .samples = chosen.samples});

  Figure rate{.name = "rates",
              .caption =
                  "Rate of the energy's tail beside the formula: flat below the critical "
                  "epsilon 4 lambda/gamma, slow above",
              .x = "epsilon",
              .y = "rate",
              .log_x = true,
              .log_y = true};
  Curve formula{.label = "formula", .drawn = Drawn::dashed};
  for (double x = epsilons.front(); x <= epsilons.back() * 1.0001; x *= 1.05) {
    formula.x.push_back(x);
    formula.y.push_back(predicted(options.gamma, options.lambda / x));
  }
  rate.curves = {
      {.label = "fitted, mean over seeds", .drawn = Drawn::marks, .x = epsilons, .y = rates},
      std::move(formula)};
  for (double& mean : mean_compared) mean = std::exp(mean);
  Figure sweep{
      .name = "sweep",
      .caption = fmt::format("Energy at time {} over epsilon, geometric mean over seeds",
                             shortest(options.compared_at)),
      .x = "epsilon",
      .y = "energy E",
      .log_x = true,
      .log_y = true,
      .curves = {{.label = "E", .drawn = Drawn::marks, .x = epsilons, .y = mean_compared}}};
  Figure decay{.name = "decay",
               .caption = fmt::format(
                   "Energy up to time {} for every epsilon, first seed: a slow start far away, "
                   "then the exponential tail",
                   shortest(options.compared_at)),
               .x = "time t",
               .y = "energy E",
               .log_y = true};
  for (std::size_t i = 0; i < epsilons.size(); ++i) {
    const auto& time = all.front().time[i];
    const auto until =
        std::upper_bound(time.begin(), time.end(), options.compared_at) - time.begin();
    decay.curves.push_back(
        {.label = "epsilon " + shortest(epsilons[i]),
         .x = {time.begin(), time.begin() + until},
         .y = {all.front().energy[i].begin(), all.front().energy[i].begin() + until}});
  }
  measured.figures = {std::move(rate), std::move(sweep), std::move(decay)};
  return measured;
}

}  // namespace muonflow::study
