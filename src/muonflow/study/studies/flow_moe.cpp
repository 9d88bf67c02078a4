#include "muonflow/study/studies/flow_moe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/geometry/smoothed_nuclear.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowMoe::kInfo{
    .name = "flow-moe",
    .title = "mixtures of experts, block by block",
    .paper = "arXiv:2605.23871",
    .statement =
        "For Hilbert-valued features on products of matrix spaces, so for smooth mixtures of "
        "experts, the "
        "flow acts block by block and keeps its energy identity. (Derived here, for each block: "
        "K_b' = "
        "mean <G_b, V_b> - mean <M_b, V_b>, V_b = grad of its part of Phi.)",
    .computes =
        "moe with the softmax gate and with an unnormalized one, routers of half the weight, by "
        "rk4; the "
        "powers of every block integrated by Simpson's rule over the steps."};

void FlowMoe::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of teachers, data and initial states");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.integer("experts", experts, {.lo = 1}, "number N of particles");
  v.real_list("steps", steps, kPositive, "time steps h, largest first");
  v.real("end_time", end_time, kPositive, "time of the end, an even number of every step");
}

FlowMoe::Options FlowMoe::quick() { return {.seeds = 2, .experts = 4, .end_time = 0.8}; }

namespace {

constexpr std::array<std::string_view, 2> kGates{"softmax", "sigmoid"};
constexpr double kEpsilon = 0.1, kRouterWeight = 0.5;
const std::vector<std::string> kBlocks{"in", "out", "router"};

}  // namespace

std::vector<Bound> FlowMoe::bounds(const Options& options) {
  for (const double step : options.steps) {
    const double steps = options.end_time / step;
    if (std::abs(steps - 2 * std::round(steps / 2)) > 1e-6) {
      throw ConfigError({.place = "end_time",
                         .expected = "an even number of steps of " + shortest(step),
                         .found = shortest(options.end_time)});
    }
  }
  if (options.steps.size() < 2) {
    throw ConfigError({.place = "steps",
                       .expected = "at least two",
                       .found = std::to_string(options.steps.size())});
  }
  std::vector<Bound> bounds;
  for (const auto gate : kGates) {
    for (const auto& block : kBlocks) {
      bounds.push_back(
          {.name = fmt::format("{}-{}", gate, block),
           .quantity =
               fmt::format("{} gate, block {}: |K_b(t) - K_b(0) - integral of its powers| over "
                           "E(0) - inf J at the smallest step, largest over times and seeds",
                           gate, block),
           // rk4 and Simpson's rule err by h^4 times a constant of order (1/epsilon)^3.
           .high = 1000 * std::pow(options.steps.back(), 4),
           .why = "the identity of the block, to h^4/epsilon^3"});
    }
    bounds.push_back({.name = fmt::format("{}-order", gate),
                      .quantity = fmt::format(
                          "{} gate: slope in h of the largest of these, mean over seeds", gate),
                      .low = 3.7,
                      .broken = Broken::finding,
                      .why = "both rules have order 4"});
    bounds.push_back(
        {.name = fmt::format("{}-objective", gate),
         .quantity = fmt::format("{} gate: |J(t) - J(0) + integral of all powers| likewise", gate),
         .high = 1000 * std::pow(options.steps.back(), 4),
         .why = "the blocks take their energy from J and from nowhere else"});
    bounds.push_back(
        {.name = fmt::format("{}-rises", gate),
         .quantity = fmt::format("{} gate: steps at which E rises beyond round-off", gate),
         .high = 0,
         .why = "E' <= 0"});
    bounds.push_back({.name = fmt::format("{}-final", gate),
                      .quantity = fmt::format(
                          "{} gate: J at the end over J at the start, mean over seeds", gate)});
  }
  return bounds;
}

namespace {

struct Instant {
  double time = 0, objective = 0;
  std::array<double, 3> kinetic{}, power{}, damping{};
};

Instant look_at(const FlowSystem& system, const FlowState& state, double time,
                Matrix<double>& velocity, linalg::Workspace<double>& workspace) {
  Instant now{.time = time, .objective = state.objective};
  flow::Kinetic unused;
  if (!system.velocity(state.M, velocity, unused).ok()) now.objective = kNoValue;
  const geometry::SmoothedNuclear<double> phi({.epsilon = kEpsilon});
  const auto n = static_cast<double>(state.W.rows());
  const auto& blocks = system.layout().blocks();
  for (std::size_t b = 0; b < blocks.size() && b < kBlocks.size(); ++b) {
    const auto& block = blocks[b];
    const auto at = static_cast<std::size_t>(std::find(kBlocks.begin(), kBlocks.end(), block.name) -
                                             kBlocks.begin());
    if (at == kBlocks.size()) continue;
    const double weight = block.name == "router" ? kRouterWeight : 1.0;
    const auto part = [&](const Matrix<double>& all) {
      return all.middleCols(block.offset, block.size());
    };
    now.power[at] = part(state.G).cwiseProduct(part(velocity)).sum() / n;
    now.damping[at] = part(state.M).cwiseProduct(part(velocity)).sum() / n;
    for (Index i = 0; i < state.M.rows(); ++i) {
      now.kinetic[at] += weight *
                         phi.value(flow::block_of(state.M.row(i).data(), block), workspace) /
                         (n * system.gamma());
    }
  }
  return now;
}

struct Errors {
  std::array<double, 3> block{};
  double objective = 0, final_share = kNoValue, rises = 0;
  std::vector<double> time{};
  std::array<std::vector<double>, 3> kinetic{};
  std::vector<double> objective_path{};
  std::string trouble{};

  double largest() const { return *std::max_element(block.begin(), block.end()); }
};

Errors run_one(const FlowMoe::Options& options, std::string_view gate, std::int64_t seed,
               double step) {
  std::vector<Instant> path;
  Matrix<double> velocity;
  linalg::Workspace<double> workspace;
  double scale = 1;
  const FlowCase flow_case(
      fmt::format("[objective]\nkind = \"moe\"\ngate = \"{}\"\nsamples = 32\noutputs = 2\nteachers "
                  "= 3\nteacher_scale = 0.7\nseed = "
                  "{}\n[geometry]\nkind = \"smoothed_nuclear\"\nepsilon = "
                  "{}\n[geometry.router]\nweight = {}\n[integrator]\n"
                  "kind = \"rk4\"\nstep = {}\nend_time = {}\n[particles]\ncount = {}\nshape = [4, "
                  "5]\nscale = 0.5\nseed = "
                  "{}\n[record]\nevery = {}\n",
                  gate, derived_seed(seed, 0), kEpsilon, kRouterWeight, step, options.end_time,
                  options.experts, derived_seed(seed, 1), step));
  const auto done = run_flow(flow_case, [&](const FlowSystem& system, const FlowState& state,
                                            const flow::LedgerEntry& entry) {
    path.push_back(look_at(system, state, entry.time, velocity, workspace));
  });
  Errors errors{.rises = static_cast<double>(done.ledger.energy_increases),
                .trouble = done.trouble};
  if (!done.ok || path.size() < 3) {
    errors.block.fill(kNoValue);
    errors.objective = kNoValue;
    return errors;
  }
  scale = done.ledger.scale;
  errors.final_share = path.back().objective / path.front().objective;
  std::array<double, 3> taken{}, given{};  // integrals of power less damping, and of power
  for (std::size_t k = 0; k + 2 < path.size(); k += 2) {
    const auto &a = path[k], &m = path[k + 1], &z = path[k + 2];
    double all = 0;
    for (std::size_t b = 0; b < 3; ++b) {
      const double third = step / 3;
      const double power = third * (a.power[b] + 4 * m.power[b] + z.power[b]);
      given[b] += power;
      taken[b] += power - third * (a.damping[b] + 4 * m.damping[b] + z.damping[b]);
      all += given[b];
      errors.block[b] = std::max(
          errors.block[b], std::abs(z.kinetic[b] - path.front().kinetic[b] - taken[b]) / scale);
    }
    errors.objective =
        std::max(errors.objective, std::abs(z.objective - path.front().objective + all) / scale);
  }
  const auto stride = std::max<std::size_t>(1, path.size() / 200);
  for (std::size_t k = 0; k < path.size(); k += stride) {
    errors.time.push_back(path[k].time);
    errors.objective_path.push_back(path[k].objective);
    for (std::size_t b = 0; b < 3; ++b) errors.kinetic[b].push_back(path[k].kinetic[b]);
  }
  return errors;
}

}  // namespace

Measured FlowMoe::run(const Options& options, Context& context) {
  Measured measured;
  Work work{.total = static_cast<double>(options.seeds) * kGates.size()};
  Figure orders{
      .name = "identity",
      .caption = "What is left of the block identities falls like the fourth power of the step",
      .x = "step h",
      .y = "largest relative error of a block",
      .log_x = true,
      .log_y = true};
  std::vector<Figure> energies;
  for (const auto gate : kGates) {
    // [seed][step]
    std::vector<std::vector<Errors>> all(static_cast<std::size_t>(options.seeds));
    measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
      for (const double step : options.steps) {
        all[static_cast<std::size_t>(k)].push_back(run_one(options, gate, options.seed + k, step));
      }
    });
    if (measured.cancelled) return measured;
    std::array<std::vector<double>, 3> block;
    std::vector<double> objective, final_share, slopes, mean(options.steps.size());
    double rises = 0;
    for (const auto& of_seed : all) {
      std::vector<double> largest;
      for (std::size_t i = 0; i < of_seed.size(); ++i) {
        largest.push_back(of_seed[i].largest());
        mean[i] += std::log(largest.back()) / static_cast<double>(all.size());
        rises += of_seed[i].rises;
        if (!of_seed[i].trouble.empty()) measured.remarks.push_back(of_seed[i].trouble);
      }
      slopes.push_back(fit_power(options.steps, largest).slope.value);
      const auto& finest = of_seed.back();
      for (std::size_t b = 0; b < 3; ++b) block[b].push_back(finest.block[b]);
      objective.push_back(finest.objective);
      final_share.push_back(finest.final_share);
      context.result({{"gate", gate},
                      {"slope", slopes.back()},
                      {"errors", largest},
                      {"final_share", finest.final_share}});
    }
    for (std::size_t b = 0; b < 3; ++b)
      measured.add(fmt::format("{}-{}", gate, kBlocks[b]), largest_of(block[b]));
    measured.add(fmt::format("{}-order", gate), mean_of(slopes));
    measured.add(fmt::format("{}-objective", gate), largest_of(objective));
    measured.add(fmt::format("{}-rises", gate), {.value = rises, .samples = options.seeds});
    measured.add(fmt::format("{}-final", gate), mean_of(final_share));
    for (double& x : mean) x = std::exp(x);
    orders.curves.push_back({.label = std::string(gate) + " gate",
                             .drawn = Drawn::marks,
                             .x = options.steps,
                             .y = mean});
    if (gate == kGates.front()) {
      orders.curves.push_back(power_line(
          "slope 4", options.steps, 4, std::log(mean.back()) - 4 * std::log(options.steps.back())));
    }
    const auto& first = all.front().back();
    Figure energy{.name = fmt::format("energies-{}", gate),
                  .caption = fmt::format(
                      "Objective and the kinetic energy of every block, {} gate, first seed", gate),
                  .x = "time t",
                  .y = "energy"};
    energy.curves.push_back({.label = "objective J", .x = first.time, .y = first.objective_path});
    for (std::size_t b = 0; b < 3; ++b) {
      energy.curves.push_back(
          {.label = "kinetic, " + kBlocks[b], .x = first.time, .y = first.kinetic[b]});
    }
    energies.push_back(std::move(energy));
  }
  measured.figures = std::move(energies);
  measured.figures.push_back(std::move(orders));
  return measured;
}

}  // namespace muonflow::study
