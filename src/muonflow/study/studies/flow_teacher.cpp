#include "muonflow/study/studies/flow_teacher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowTeacher::kInfo{
    .name = "flow-teacher",
    .title = "teacher and student, N neurons to the mean field",
    .paper = "arXiv:2605.23871",
    .statement =
        "A two-layer network in the mean-field scaling has a limit "
        "as N grows, with fluctuations of "
        "at most order N^{-1/2}, under gradient flow, heavy ball and "
        "regularized Muon alike; each dissipates "
        "its energy.",
    .computes =
        "two_layer with 4 neurons a particle, 3 inputs, 64 samples "
        "and a teacher of 4 particles that "
        "each seed draws anew, for the data of one seed N students "
        "of other seeds: J at the end over N."};

void FlowTeacher::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 3, .hi = 1000}, "students of the one teacher, at every N");
  v.integer("seed", seed, kNonNegative, "draws teacher, data and students");
  v.integer_list("counts", counts, {.lo = 2}, "N, smallest first");
  v.real("step", step, kPositive, "time step");
  v.real("end_time", end_time, kPositive, "time of the end");
  v.real("gamma", gamma, kPositive, "damping of heavy ball and of regularized Muon");
  v.real("epsilon", epsilon, kPositive, "of the smoothed nuclear norm");
}

FlowTeacher::Options FlowTeacher::quick() {
  return {.seeds = 8, .counts = {8, 16, 32, 64}, .step = 0.1, .end_time = 2};
}

namespace {

struct Method {
  std::string_view name, label;
  bool inertial;
  bool smoothed;
};
constexpr std::array<Method, 3> kMethods{{{"gradient-flow", "gradient flow", false, false},
                                          {"heavy-ball", "heavy ball", true, false},
                                          {"muon", "regularized Muon", true, true}}};

}  // namespace

std::vector<Bound> FlowTeacher::bounds(const Options& options) {
  if (options.counts.size() < 3 || !std::is_sorted(options.counts.begin(), options.counts.end())) {
    throw ConfigError({.place = "counts",
                       .expected = "at least three numbers, smallest first",
                       .found = std::to_string(options.counts.size())});
  }
  std::vector<Bound> bounds;
  // The spread of a standard deviation from S values is 1/sqrt(2 (S - 1)) of it; over the range of
  // N that is this half width of the slope, at twice its standard error.
  const double range = std::log(static_cast<double>(options.counts.back()) /
                                static_cast<double>(options.counts.front()));
  const auto n = static_cast<double>(options.counts.size());
  const double spread = range * std::sqrt((n + 1) / (12 * (n - 1)) * n);
  const double half =
      std::max(0.15, 2 / std::sqrt(2 * (static_cast<double>(options.seeds) - 1)) / spread);
  for (const auto& method : kMethods) {
    bounds.push_back(
        {.name = std::string(method.name) + "-slope",
         .quantity = fmt::format("{}: slope over N of the standard deviation of J(T) over students",
                                 method.label),
         .high = -0.5 + half,
         .broken = Broken::finding,
         .why =
             "fluctuations of at most order N^{-1/2}; twice the standard error of such a slope"});
  }
  bounds.push_back({.name = "ledger",
                    .quantity = "largest relative error of any ledger",
                    .high = 4 * options.step * options.step,
                    .why = "the energy identity, by schemes of order 2 and 4: 4 h^2"});
  bounds.push_back({.name = "energy-rises",
                    .quantity = "steps at which an energy rises beyond round-off, all runs",
                    .high = 0,
                    .why = "E' <= 0"});
  for (const auto& method : kMethods) {
    bounds.push_back({.name = std::string(method.name) + "-final",
                      .quantity = fmt::format("{}: J(T)/J(0) at the largest N, mean over students",
                                              method.label)});
  }
  bounds.push_back(
      {.name = "muon-over-heavy-ball",
       .quantity = "J(T) of regularized Muon over that of heavy ball at the largest N, geometric "
                   "mean over students (unequal speeds: no contest)"});
  return bounds;
}

namespace {

struct One {
  double initial = kNoValue, final = kNoValue, ledger = kNoValue, rises = 0;
  std::vector<double> time{}, objective{};
  std::string trouble{};
};

One run_one(const FlowTeacher::Options& options, const Method& method, std::int64_t count,
            std::int64_t student) {
  const auto geometry =
      method.smoothed ? fmt::format("kind = \"smoothed_nuclear\"\nepsilon = {}", options.epsilon)
                      : std::string("kind = \"frobenius\"");
  const FlowCase flow_case(fmt::format(
      "[objective]\nkind = \"two_layer\"\nsamples = 64\noutputs = 2\nteachers = 4\nseed = "
      "{}\n[geometry]\n{}\n"
      "[dynamics]\ngamma = {}\nkind = \"{}\"\n[integrator]\nkind = \"{}\"\nstep = {}\nend_time = "
      "{}\n"
      "[particles]\ncount = {}\nshape = [4, 3]\nseed = {}\n[record]\nevery = {}\n",
      derived_seed(options.seed, 0), geometry, options.gamma,
      method.inertial ? "inertial" : "momentum_free", method.inertial ? "leapfrog" : "rk4",
      options.step, options.end_time, count,
      derived_seed(options.seed, static_cast<std::uint64_t>(1 + student)), options.end_time / 50));
  const auto done = run_flow(flow_case);
  One one{.rises = static_cast<double>(done.ledger.energy_increases), .trouble = done.trouble};
  if (!done.ok) return one;
  one.initial = done.records.front().objective;
  one.final = done.records.back().objective;
  one.ledger = done.ledger.largest_relative_error;
  for (const auto& record : done.records) {
    one.time.push_back(record.time);
    one.objective.push_back(record.objective);
  }
  return one;
}

double deviation(const std::vector<One>& runs, const std::vector<std::size_t>& of) {
  double mean = 0, squares = 0;
  const auto n = static_cast<double>(of.size());
  for (const auto i : of) mean += runs[i].final / n;
  for (const auto i : of) squares += (runs[i].final - mean) * (runs[i].final - mean);
  return std::sqrt(squares / (n - 1));
}

}  // namespace

Measured FlowTeacher::run(const Options& options, Context& context) {
  Measured measured;
  const auto sizes = options.counts.size();
  const auto seeds = static_cast<std::size_t>(options.seeds);
  std::vector<double> n(options.counts.begin(), options.counts.end());
  double cost = 0;
  for (const double count : n) cost += count * static_cast<double>(options.seeds * 3);
  Work work{.total = cost, .unit = "particles"};
  // [method][size][student]
  std::vector<std::vector<std::vector<One>>> all(kMethods.size(),
                                                 std::vector<std::vector<One>>(sizes));
  for (std::size_t i = 0; i < sizes; ++i) {
    for (std::size_t m = 0; m < kMethods.size(); ++m) {
      auto& runs = all[m][i];
      runs.resize(seeds);
      measured.cancelled = !over_seeds(
          context, work, options.seeds,
          [&](std::int64_t s) {
            runs[static_cast<std::size_t>(s)] = run_one(options, kMethods[m], options.counts[i], s);
          },
          n[i]);
      if (measured.cancelled) return measured;
    }
  }
  Figure spread{
      .name = "fluctuations",
      .caption = "Standard deviation of J at the end over students: it falls like N^{-1/2}",
      .x = "particles N",
      .y = "standard deviation of J(T)",
      .log_x = true,
      .log_y = true};
  Figure curves{.name = "curves",
                .caption =
                    "J over time at the largest N, first student. One unit of time is another "
                    "path length for each geometry",
                .x = "time t",
                .y = "objective J",
                .log_y = true};
  std::vector<double> ledgers, ratio;
  double rises = 0;
  for (std::size_t m = 0; m < kMethods.size(); ++m) {
    const auto& by_size = all[m];
    const std::vector<std::int64_t> counts(sizes, options.seeds);
    const auto slope = bootstrap(counts, 400, 21, [&](const Resample& drawn) {
      std::vector<double> y;
      for (std::size_t i = 0; i < sizes; ++i) y.push_back(deviation(by_size[i], drawn[i]));
      return fit_power(n, y).slope.value;
    });
    const std::string name(kMethods[m].name), label(kMethods[m].label);
    measured.add(name + "-slope", slope);
    Curve points{.label = label, .drawn = Drawn::marks, .x = n};
    std::vector<std::size_t> everyone(seeds);
    for (std::size_t s = 0; s < seeds; ++s) everyone[s] = s;
    for (const auto& runs : by_size) {
      points.y.push_back(deviation(runs, everyone));
      for (const auto& one : runs) {
        ledgers.push_back(one.ledger);
        rises += one.rises;
        if (!one.trouble.empty()) measured.remarks.push_back(label + ": " + one.trouble);
      }
    }
    std::vector<double> share;
    for (const auto& one : by_size.back()) share.push_back(one.final / one.initial);
    measured.add(name + "-final", mean_of(share));
    context.result({{"method", label}, {"N", n}, {"deviation", points.y}, {"final_share", share}});
    if (m == 0) {
      spread.curves.push_back(power_line("slope -1/2", n, -0.5,
                                         std::log(points.y.front()) + 0.5 * std::log(n.front())));
    }
    spread.curves.push_back(std::move(points));
    const auto& first = by_size.back().front();
    curves.curves.push_back({.label = label, .x = first.time, .y = first.objective});
  }
  for (std::size_t s = 0; s < seeds; ++s) {
    ratio.push_back(std::log(all[2].back()[s].final / all[1].back()[s].final));
  }
  auto against = mean_of(ratio);
  for (double* value : {&against.value, &against.low, &against.high}) *value = std::exp(*value);
  measured.add("ledger", largest_of(ledgers));
  measured.add("energy-rises",
               {.value = rises, .samples = static_cast<std::int64_t>(ledgers.size())});
  measured.add("muon-over-heavy-ball", against);
  measured.figures = {std::move(spread), std::move(curves)};
  return measured;
}

}  // namespace muonflow::study
