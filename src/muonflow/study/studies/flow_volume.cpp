#include "muonflow/study/studies/flow_volume.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowVolume::kInfo{
    .name = "flow-volume",
    .title = "contraction of phase volume",
    .paper = "arXiv:2605.23871",
    .statement =
        "The flow contracts the phase volume of N particles in R^{m x n} by exp(-gamma m n N t), "
        "whatever the objective and the geometry. (Derived here from its phase-space equation, "
        "with "
        "each integrator's own factor.)",
    .computes =
        "log of the determinant of the Jacobian by central differences: of the flow to three times "
        "(rk4, fine steps), and of one step of every integrator of the registry."};

void FlowVolume::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of problems");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.integer("particles", particles, {.lo = 1, .hi = 8}, "N");
  v.integer_list("shape", shape, {.lo = 1, .hi = 8}, "rows and columns of a particle");
  v.real("gamma", gamma, kPositive, "damping");
  v.real("epsilon", epsilon, kPositive, "of the smoothed nuclear norm");
  v.real_list("steps", steps, kPositive, "steps h, largest first");
}

FlowVolume::Options FlowVolume::quick() { return {.seeds = 2}; }

namespace {

const std::vector<double> kTimes{0.25, 0.5, 1};

struct VolumeContender {
  std::string name;
  int order;   // of one step's volume less one
  bool exact;  // its factor is known in closed form
  bool relaxes_time;
};

std::vector<VolumeContender> volume_contenders() {
  std::vector<VolumeContender> all;
  for (const auto& entry : flow::integrators().all()) {
    if (entry.info.controls_error) continue;  // no step of its own
    // A step whose length tau = h + O(h^2) depends on the state is the flow over tau(X); its volume
    // has the further factor 1 + <f, grad tau> = 1 + O(h^2), f the vector field.
    const bool relaxes = entry.info.relaxes_time;
    all.push_back({entry.name, relaxes ? 1 : entry.info.order,
                   entry.name == "muon" || entry.name == "leapfrog", relaxes});
  }
  return all;
}

// Degrees of freedom of the momenta: m n N.
double freedom(const FlowVolume::Options& options) {
  return static_cast<double>(options.particles * options.shape.at(0) * options.shape.at(1));
}

}  // namespace

std::vector<Bound> FlowVolume::bounds(const Options& options) {
  if (options.shape.size() != 2 || options.steps.size() < 2) {
    throw ConfigError({.place = "flow-volume",
                       .expected = "a shape of two numbers and at least two steps",
                       .found = "others"});
  }
  // Central differences of width 1e-5 are good to about 1e-9 an entry; the determinant adds up
  // 2 m n N of them.
  constexpr double kDifferences = 1e-6;
  std::vector<Bound> bounds{
      {.name = "flow",
       .quantity = "|log det + gamma m n N t|, largest over t = 0.25, 0.5, 1 and seeds",
       .high = kDifferences,
       .why = "Liouville: the divergence of the vector field is -gamma m n N"}};
  for (const auto& [name, order, exact, relaxes] : volume_contenders()) {
    if (exact) {
      bounds.push_back({.name = name,
                        .quantity = "one step of " + name + ": |log det - m n N " +
                                    (name == "muon" ? "log(1 - gamma h)|" : "(-gamma h)|") +
                                    ", largest over h and seeds",
                        .high = kDifferences,
                        .why = "its parts are shears and a damping of the momenta"});
    } else {
      bounds.push_back(
          {.name = name + "-order",
           .quantity = "one step of " + name +
                       ": slope in h of |log det + gamma m n N elapsed|, median over seeds",
           .low = order + 0.5,
           .broken = Broken::finding,
           .why = relaxes ? "its time depends on the state: the volume errs by O(h^2) in one step"
                          : fmt::format("a scheme of order {} errs by O(h^{}) in one step", order,
                                        order + 1)});
      bounds.push_back({.name = name,
                        .quantity = fmt::format(
                            "one step of {} at h = {}: |log det + gamma m n N elapsed|, largest "
                            "over seeds",
                            name, options.steps.back())});
    }
  }
  return bounds;
}

namespace {

std::string problem(const FlowVolume::Options& options, std::int64_t seed) {
  return fmt::format(R"([objective]
kind = "tanh_ridge"
features = 3
seed = {}
[geometry]
kind = "smoothed_nuclear"
epsilon = {}
[dynamics]
gamma = {}
[integrator]
kind = "rk4"
step = 0.005
end_time = 1.0
[particles]
count = {}
shape = [{}, {}]
seed = {}
scale = 0.5
)",
                     derived_seed(seed, 0), options.epsilon, options.gamma, options.particles,
                     options.shape[0], options.shape[1], derived_seed(seed, 1));
}

struct Path {
  bool ok = true;
  double elapsed = 0;
  Matrix<double> end;  // [2, N d]: W and M
};

// `steps` steps of length h from a point of phase space.
Path follow(flow::Problem<double>& problem, const Matrix<double>& from, double h,
            std::int64_t steps) {
  auto& state = problem.state;
  const auto rows = state.W.rows(), cols = state.W.cols();
  state.W = Eigen::Map<const Matrix<double>>(from.row(0).data(), rows, cols);
  state.M = Eigen::Map<const Matrix<double>>(from.row(1).data(), rows, cols);
  Path path;
  path.ok = problem.system.refresh(state).ok();
  for (std::int64_t k = 0; path.ok && k < steps; ++k) {
    const auto taken = problem.integrator->step(problem.system, h, state);
    path.ok = taken.outcome.ok();
    path.elapsed += taken.elapsed;
  }
  path.end.resize(2, rows * cols);
  path.end.row(0) = Eigen::Map<const Matrix<double>>(state.W.data(), 1, rows * cols);
  path.end.row(1) = Eigen::Map<const Matrix<double>>(state.M.data(), 1, rows * cols);
  return path;
}

struct Volume {
  double log_det = kNoValue, elapsed = kNoValue;
};

Volume volume(flow::Problem<double>& problem, const Matrix<double>& from, double h,
              std::int64_t steps) {
  constexpr double kWidth = 1e-5;
  const Index size = from.size();
  Matrix<double> jacobian(size, size);
  Volume result;
  for (Index k = 0; k < size; ++k) {
    Matrix<double> ahead = from, behind = from;
    ahead.data()[k] += kWidth;
    behind.data()[k] -= kWidth;
    const auto a = follow(problem, ahead, h, steps), b = follow(problem, behind, h, steps);
    if (!a.ok || !b.ok) return {};
    for (Index j = 0; j < size; ++j) {
      jacobian(k, j) = (a.end.data()[j] - b.end.data()[j]) / (2 * kWidth);
    }
  }
  const Vector<double> s = linalg::singular_values<double>(jacobian);
  result.log_det = 0;
  for (Index k = 0; k < s.size(); ++k) result.log_det += std::log(s(k));
  result.elapsed = follow(problem, from, h, steps).elapsed;
  return result;
}

struct VolumeSeed {
  std::vector<double> flow;                    // [time], log det
  std::vector<std::vector<double>> deviation;  // [contender][step]
};

VolumeSeed run_seed(const FlowVolume::Options& options, std::int64_t seed) {
  VolumeSeed one;
  const auto toml = problem(options, seed);
  FlowCase flow_case(toml);
  auto flow = flow::make_problem<double>(flow_case.options);
  // Momenta that are under way, of the size of a force.
  Matrix<double> from(2, flow.state.W.size());
  Rng rng(derived_seed(seed, 2));
  for (Index k = 0; k < from.size(); ++k) from.data()[k] = 0.5 * rng.normal();
  for (const double time : kTimes) {
    const auto steps = static_cast<std::int64_t>(std::llround(time / 0.005));
    one.flow.push_back(volume(flow, from, 0.005, steps).log_det);
  }
  const double total = freedom(options);
  for (const auto& contender : volume_contenders()) {
    auto problem_of =
        flow::make_problem<double>(FlowCase(toml, {"integrator.kind=" + contender.name}).options);
    auto& deviations = one.deviation.emplace_back();
    for (const double h : options.steps) {
      const auto found = volume(problem_of, from, h, 1);
      const double factor = contender.name == "muon" ? std::log1p(-options.gamma * h)
                                                     : -options.gamma * found.elapsed;
      deviations.push_back(std::abs(found.log_det - total * factor));
    }
  }
  return one;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? kNoValue : values[values.size() / 2];
}

}  // namespace

Measured FlowVolume::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<VolumeSeed> all(static_cast<std::size_t>(options.seeds));
  Work work{.total = static_cast<double>(options.seeds)};
  measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
    all[static_cast<std::size_t>(k)] = run_seed(options, options.seed + k);
  });
  if (measured.cancelled) return measured;
  const double rate = options.gamma * freedom(options);
  Figure decay{.name = "volume",
               .caption =
                   "Log of the phase volume under the flow, every seed, and the line "
                   "-gamma m n N t",
               .x = "time t",
               .y = "log det of the Jacobian"};
  decay.curves.push_back({.label = "-gamma m n N t",
                          .drawn = Drawn::dashed,
                          .x = {0, kTimes.back()},
                          .y = {0, -rate * kTimes.back()}});
  std::vector<double> flow;
  for (std::size_t s = 0; s < all.size(); ++s) {
    for (std::size_t t = 0; t < kTimes.size(); ++t) {
      flow.push_back(std::abs(all[s].flow[t] + rate * kTimes[t]));
    }
    decay.curves.push_back(
        {.label = fmt::format("seed {}", options.seed + static_cast<std::int64_t>(s)),
         .drawn = Drawn::marks,
         .x = kTimes,
         .y = all[s].flow});
    context.result(
        {{"seed", options.seed + static_cast<std::int64_t>(s)}, {"log_det", all[s].flow}});
  }
  measured.add("flow", largest_of(flow));
  Figure steps{.name = "steps",
               .caption =
                   "How far one step's volume is from that of the flow (for muon: from its "
                   "own factor), largest over seeds; what lies at 1e-9 is the differences'",
               .x = "step h",
               .y = "|log det - expected|",
               .log_x = true,
               .log_y = true};
  const auto list = volume_contenders();
  for (std::size_t c = 0; c < list.size(); ++c) {
    std::vector<double> every, last, slopes, largest(options.steps.size());
    for (const auto& one : all) {
      every.insert(every.end(), one.deviation[c].begin(), one.deviation[c].end());
      last.push_back(one.deviation[c].back());
      slopes.push_back(fit_power(options.steps, one.deviation[c]).slope.value);
      for (std::size_t i = 0; i < largest.size(); ++i) {
        largest[i] = std::max(largest[i], one.deviation[c][i]);
      }
    }
    measured.add(list[c].name, largest_of(list[c].exact ? every : last));
    measured.add(list[c].name + "-order", {.value = median(slopes), .samples = options.seeds});
    steps.curves.push_back(
        {.label = list[c].name, .drawn = Drawn::marks, .x = options.steps, .y = largest});
    context.result({{"integrator", list[c].name}, {"slopes", slopes}, {"deviation", last}});
  }
  measured.figures = {std::move(decay), std::move(steps)};
  return measured;
}

}  // namespace muonflow::study
