#include "muonflow/study/studies/flow_chaos.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/study/detail/coupling.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowChaos::kInfo{
    .name = "flow-chaos",
    .title = "propagation of chaos, well-posedness",
    .paper = "arXiv:2605.23871",
    .statement =
        "N particles from independent initial states stay within C(T) N^{-1/2} of independent "
        "copies "
        "of the mean-field flow, whatever the dimension; the flow is well posed. (Derived here: "
        "the "
        "constants, and the bias of the objective, O(1/N).)",
    .computes =
        "q = 6 tanh features of 2x3 matrices, epsilon 0.1, gamma 1: one flow of many particles "
        "stands "
        "for the mean field; replicas of N of its particles run by themselves from the same start "
        "(synchronous coupling). The bias is measured with the copies' features as control "
        "variate."};

void FlowChaos::Options::fields(FieldVisitor& v) {
  v.integer("seed", seed, kNonNegative, "draws features, targets and particles");
  v.integer("reference", reference, {.lo = 256, .hi = 1e7}, "particles of the mean-field flow");
  v.integer_list("counts", counts, {.lo = 2}, "N, smallest first");
  v.integer("bias_up_to", bias_up_to, {.lo = 2},
            "up to this N all particles of the reference are replicas' particles");
  v.integer("replicas", replicas, {.lo = 4}, "replicas beyond that, as far as there are particles");
  v.real("step", step, kPositive, "of leapfrog, for all alike");
  v.real("end_time", end_time, kPositive, "T");
}

FlowChaos::Options FlowChaos::quick() {
  return {.reference = 4096,
          .counts = {8, 16, 32, 64, 128},
          .bias_up_to = 32,
          .replicas = 16,
          .step = 0.1};
}

std::vector<Bound> FlowChaos::bounds(const Options& options) {
  const auto& counts = options.counts;
  const auto biased =
      std::count_if(counts.begin(), counts.end(), [&](auto n) { return n <= options.bias_up_to; });
  if (counts.size() < 3 || biased < 3 || !std::is_sorted(counts.begin(), counts.end()) ||
      4 * counts.back() > options.reference) {
    throw ConfigError(
        {.place = "counts",
         .expected = "at least three numbers up to bias_up_to, smallest first, the largest "
                     "at most a quarter of reference",
         .found = fmt::format("{} numbers, reference {}", counts.size(), options.reference)});
  }
  return {
      {.name = "rms-slope",
       .quantity = "slope over N of sup_t (mean |X_i - copy_i|^2)^{1/2}, log-log",
       .low = -0.57,
       .high = -0.43,
       .broken = Broken::finding,
       .why = "the rate N^{-1/2} of the statement"},
      {.name = "objective-slope",
       .quantity = "slope over N of the root mean square of J_N(T) - J(T)",
       .low = -0.6,
       .high = -0.4,
       .broken = Broken::finding,
       .why = "the same rate for the objective"},
      {.name = "bias-slope",
       .quantity = fmt::format("slope over N <= {} of |mean J_N(T) - J(T)|", options.bias_up_to),
       .low = -1.25,
       .high = -0.75,
       .broken = Broken::finding,
       .why = "the terms of first order cancel in the mean"},
      {.name = "constant",
       .quantity = "log10 of sup_N rms N^{1/2} over the C(T) of the proof",
       .high = 0,
       .why = "C(T) = (e^{L T} - 1) gamma B1 L_R sqrt(q)/L, L = 1/epsilon + gamma(1 + B_R B2 + L_R "
              "B1^2)"},
      {.name = "growth",
       .quantity =
           "fastest growth log(d(t)/d(0))/t of the distance of two flows started close, over "
           "2 L",
       .high = 1,
       .why = "W_1(mu_t, nu_t) <= e^{2 L t} W_1(mu_0, nu_0)"},
      {.name = "lipschitz", .quantity = "L, the constant of well-posedness"},
      {.name = "rms-constant", .quantity = "rms N^{1/2} at the largest N"}};
}

namespace {

using detail::Coupling;
using detail::Replica;

// What the replicas of one N say; corrected for the share of the reference that they are.
struct Size {
  std::int64_t count = 0;
  std::vector<Replica> replicas;
  std::vector<double> adjusted;  // J_N - J less its control variate

  double correction(std::int64_t reference) const {
    return 1 - static_cast<double>(count) / static_cast<double>(reference);
  }
  // sup over the recorded times of the root mean square distance.
  double rms(const std::vector<std::size_t>& of, std::int64_t reference) const {
    std::vector<double> squares(replicas.front().squares.size());
    for (const auto r : of) {
      for (std::size_t k = 0; k < squares.size(); ++k) squares[k] += replicas[r].squares[k];
    }
    const double largest = *std::max_element(squares.begin(), squares.end());
    return std::sqrt(largest / static_cast<double>(of.size()) / correction(reference));
  }
  double objective(const std::vector<std::size_t>& of, std::int64_t reference) const {
    double squares = 0;
    for (const auto r : of) squares += replicas[r].objective * replicas[r].objective;
    return std::sqrt(squares / static_cast<double>(of.size()) / correction(reference));
  }
  double bias(const std::vector<std::size_t>& of, std::int64_t reference) const {
    double sum = 0;
    for (const auto r : of) sum += adjusted[r];
    return std::abs(sum) / static_cast<double>(of.size()) / correction(reference);
  }
};

using Quantity = double (Size::*)(const std::vector<std::size_t>&, std::int64_t) const;

constexpr std::int64_t kResamples = 400;

// Slope over N with its bootstrap interval, and the curve with bands.
Estimate slope(const std::vector<Size>& sizes, Quantity quantity, std::int64_t reference) {
  std::vector<double> n;
  std::vector<std::int64_t> counts;
  for (const auto& size : sizes) {
    n.push_back(static_cast<double>(size.count));
    counts.push_back(static_cast<std::int64_t>(size.replicas.size()));
  }
  return bootstrap(counts, kResamples, 11, [&](const Resample& drawn) {
    std::vector<double> y;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      y.push_back((sizes[i].*quantity)(drawn[i], reference));
    return fit_power(n, y).slope.value;
  });
}

Curve curve(const std::string& label, const std::vector<Size>& sizes, Quantity quantity,
            std::int64_t reference) {
  Curve found{.label = label, .drawn = Drawn::marks};
  for (const auto& size : sizes) {
    const std::vector<std::int64_t> counts{static_cast<std::int64_t>(size.replicas.size())};
    const auto estimate = bootstrap(counts, kResamples, 12, [&](const Resample& drawn) {
      return (size.*quantity)(drawn.front(), reference);
    });
    found.x.push_back(static_cast<double>(size.count));
    found.y.push_back(estimate.value);
    found.low.push_back(estimate.low);
    found.high.push_back(estimate.high);
  }
  return found;
}

Curve fitted(const std::string& label, const Curve& points, double at_slope) {
  double intercept = 0;
  for (std::size_t i = 0; i < points.x.size(); ++i) {
    intercept += (std::log(points.y[i]) - at_slope * std::log(points.x[i])) /
                 static_cast<double>(points.x.size());
  }
  return power_line(label, points.x, at_slope, intercept);
}

}  // namespace

Measured FlowChaos::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<Size> sizes;
  double cost = static_cast<double>(options.reference);
  for (const auto count : options.counts) {
    const auto most = options.reference / count;
    const auto replicas = count <= options.bias_up_to ? most : std::min(most, options.replicas);
    sizes.push_back({.count = count,
                     .replicas = std::vector<Replica>(static_cast<std::size_t>(replicas)),
                     .adjusted = {}});
    cost += static_cast<double>(replicas * count);
  }
  Work work{.total = cost, .unit = "particles"};
  if (!context.progress(0, cost, "particles: the mean field")) {
    measured.cancelled = true;
    return measured;
  }
  Coupling coupling({.particles = options.reference,
                     .seed = options.seed,
                     .step = options.step,
                     .end_time = options.end_time});
  if (!coupling.trouble().empty()) measured.remarks.push_back(coupling.trouble());
  work.done = static_cast<double>(options.reference);
  for (auto& size : sizes) {
    measured.cancelled = !over_seeds(
        context, work, static_cast<std::int64_t>(size.replicas.size()),
        [&](std::int64_t r) {
          size.replicas[static_cast<std::size_t>(r)] = coupling.replica(size.count, r * size.count);
        },
        static_cast<double>(size.count));
    if (measured.cancelled) return measured;
    size.adjusted = detail::without_controls(size.replicas);
  }
  std::vector<Size> biased;
  for (const auto& size : sizes) {
    if (size.count <= options.bias_up_to) biased.push_back(size);
  }
  const auto reference = options.reference;
  auto rms = curve("distance of a particle to its copy", sizes, &Size::rms, reference);
  auto objective = curve("root mean square of J_N - J", sizes, &Size::objective, reference);
  auto bias = curve("bias |mean J_N - J|", biased, &Size::bias, reference);
  const auto rms_slope = slope(sizes, &Size::rms, reference);
  const auto objective_slope = slope(sizes, &Size::objective, reference);
  const auto bias_slope = slope(biased, &Size::bias, reference);
  const auto constants = coupling.constants();
  double largest = 0;
  for (std::size_t i = 0; i < rms.x.size(); ++i)
    largest = std::max(largest, rms.y[i] * std::sqrt(rms.x[i]));
  measured.add("rms-slope", rms_slope);
  measured.add("objective-slope", objective_slope);
  measured.add("bias-slope", bias_slope);
  measured.add("constant", {.value = std::log10(largest) - constants.log_c / std::log(10.0)});
  measured.add("growth", {.value = coupling.growth(64, 1e-6) / (2 * constants.lipschitz)});
  measured.add("lipschitz", {.value = constants.lipschitz});
  measured.add("rms-constant", {.value = rms.y.back() * std::sqrt(rms.x.back())});
  for (const auto* one : {&rms, &objective, &bias}) {
    context.result({{"quantity", one->label},
                    {"N", one->x},
                    {"value", one->y},
                    {"low", one->low},
                    {"high", one->high}});
  }
  Figure chaos{
      .name = "chaos",
      .caption = fmt::format("Propagation of chaos: N particles beside their copies in a flow of "
                             "{} particles, with 95% bands and fitted slopes",
                             options.reference),
      .x = "particles N",
      .y = "distance, error",
      .log_x = true,
      .log_y = true};
  chaos.curves = {
      rms,
      fitted(fmt::format("slope {:.3f}", rms_slope.value), rms, rms_slope.value),
      objective,
      fitted(fmt::format("slope {:.3f}", objective_slope.value), objective, objective_slope.value),
      bias,
      fitted(fmt::format("slope {:.3f}", bias_slope.value), bias, bias_slope.value)};
  measured.figures = {std::move(chaos)};
  return measured;
}

}  // namespace muonflow::study
