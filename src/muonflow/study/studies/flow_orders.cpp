#include "muonflow/study/studies/flow_orders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/text.hpp"
#include "muonflow/study/flow_case.hpp"
#include "muonflow/study/seeds.hpp"

namespace muonflow::study {

const StudyInfo FlowOrders::kInfo{
    .name = "flow-orders",
    .title = "orders of the integrators",
    .paper = "arXiv:2605.23871",
    .statement =
        "With step h and momentum 1 - gamma h, regularized Muon is a first-order scheme for the "
        "damped Hamiltonian flow; better schemes have the orders they declare, and "
        "structure-preserving ones close the energy ledger whatever h.",
    .computes =
        "state error at the end time against rk4 at a quarter of the smallest step, and the "
        "largest "
        "error of the ledger, for every integrator of the registry whose error follows its step, "
        "on "
        "the problem of flow-identity drawn anew by each seed."};

void FlowOrders::Options::fields(FieldVisitor& v) {
  v.integer("seeds", seeds, {.lo = 2, .hi = 1000}, "number of problems");
  v.integer("seed", seed, kNonNegative, "the first of them");
  v.real_list("steps", steps, kPositive, "the steps h, largest first");
  v.real("coarse", coarse, kPositive, "a step at which muon's ledger is off by percents");
  v.real("end_time", end_time, kPositive, "time of the end");
}

FlowOrders::Options FlowOrders::quick() {
  return {.seeds = 2, .steps = {0.01, 0.005, 0.0025}, .end_time = 0.5};
}

namespace {

// How a ledger's error behaves, by the integrator's own rule of what a step dissipates.
enum class LedgerKind { has_order, closes };

struct OrderContender {
  std::string name;
  int order;
  LedgerKind ledger;
};

std::vector<OrderContender> order_contenders() {
  std::vector<OrderContender> all;
  for (const auto& entry : flow::integrators().all()) {
    if (entry.info.controls_error) continue;  // its error follows a tolerance, not the step
    const bool closes = entry.name == "relaxed" || entry.name == "discrete_gradient";
    all.push_back(
        {entry.name, entry.info.order, closes ? LedgerKind::closes : LedgerKind::has_order});
  }
  return all;
}

}  // namespace

std::vector<Bound> FlowOrders::bounds(const Options& options) {
  std::vector<Bound> bounds;
  for (const auto& [name, order, ledger] : order_contenders()) {
    bounds.push_back({.name = name + "-order",
                      .quantity = name + ": slope of log state error over log h, mean over seeds",
                      .low = order - 0.15,
                      .high = order + 0.15,
                      .why = fmt::format("declares order {}", order)});
    if (ledger == LedgerKind::has_order) {
      bounds.push_back(
          {.name = name + "-ledger-order",
           .quantity = name + ": slope of log ledger error over log h, mean over seeds",
           .low = order - 0.15,
           .high = order + 0.15,
           .why = "its rule of dissipation has its order"});
    } else {
      const double steps = std::ceil(options.end_time / options.coarse);
      bounds.push_back(
          {.name = name + "-ledger",
           .quantity =
               fmt::format("{}: relative ledger error at h = {}, largest over steps and seeds",
                           name, options.coarse),
           .high = 1e-12 * steps,
           .why = fmt::format("the ledger closes: 1e-12 a step, {:.0f} steps", steps)});
    }
  }
  bounds.push_back({.name = "muon-coarse-ledger",
                    .quantity = fmt::format(
                        "muon: relative ledger error at h = {}, mean over seeds", options.coarse)});
  return bounds;
}

namespace {

struct OrdersSeed {
  // [contender][step]
  std::vector<std::vector<double>> state, ledger;
  std::vector<double> coarse;  // [contender], ledger at the coarse step
  std::string trouble;
};

OrdersSeed run_seed(const FlowOrders::Options& options, std::int64_t seed) {
  OrdersSeed one;
  const auto run = [&](const std::string& integrator, double step) {
    auto done =
        run_flow(FlowCase(small_problem(seed),
                          {"integrator.kind=" + integrator, fmt::format("integrator.step={}", step),
                           fmt::format("integrator.end_time={}", options.end_time),
                           fmt::format("record.every={}", options.end_time)}));
    if (!done.ok) one.trouble = done.trouble;
    return done;
  };
  const auto reference =
      run("rk4", *std::min_element(options.steps.begin(), options.steps.end()) / 4);
  for (const auto& contender : order_contenders()) {
    auto& state = one.state.emplace_back();
    auto& ledger = one.ledger.emplace_back();
    for (const double step : options.steps) {
      const auto done = run(contender.name, step);
      state.push_back(done.ok ? particle_distance(done.state, reference.state) : kNoValue);
      ledger.push_back(done.ok ? done.ledger.largest_relative_error : kNoValue);
    }
    const auto done = run(contender.name, options.coarse);
    one.coarse.push_back(done.ok ? done.ledger.largest_relative_error : kNoValue);
  }
  return one;
}

}  // namespace

Measured FlowOrders::run(const Options& options, Context& context) {
  Measured measured;
  std::vector<OrdersSeed> all(static_cast<std::size_t>(options.seeds));
  Work work{.total = static_cast<double>(options.seeds)};
  measured.cancelled = !over_seeds(context, work, options.seeds, [&](std::int64_t k) {
    all[static_cast<std::size_t>(k)] = run_seed(options, options.seed + k);
  });
  if (measured.cancelled) return measured;
  for (const auto& one : all) {
    if (!one.trouble.empty()) measured.remarks.push_back(one.trouble);
  }
  Figure states{.name = "states",
                .caption =
                    "State error at the end time, geometric mean over seeds, with the slope "
                    "that each integrator declares",
                .x = "step h",
                .y = "distance a particle",
                .log_x = true,
                .log_y = true};
  Figure ledgers{
      .name = "ledgers",
      .caption = "Largest error of the energy ledger, relative, geometric mean over seeds",
      .x = "step h",
      .y = "relative ledger error",
      .log_x = true,
      .log_y = true};
  const auto list = order_contenders();
  for (std::size_t c = 0; c < list.size(); ++c) {
    std::vector<double> state_slopes, ledger_slopes, coarse;
    std::vector<double> state_mean(options.steps.size()), ledger_mean(options.steps.size());
    for (const auto& one : all) {
      state_slopes.push_back(fit_power(options.steps, one.state[c]).slope.value);
      ledger_slopes.push_back(fit_power(options.steps, one.ledger[c]).slope.value);
      coarse.push_back(one.coarse[c]);
      for (std::size_t i = 0; i < options.steps.size(); ++i) {
        const auto n = static_cast<double>(all.size());
        state_mean[i] += std::log(one.state[c][i]) / n;
        // A ledger that closes may be off by nothing at all.
        ledger_mean[i] += std::log(std::max(one.ledger[c][i], 1e-18)) / n;
      }
    }
    for (auto* means : {&state_mean, &ledger_mean}) {
      for (double& mean : *means) mean = std::exp(mean);
    }
    const auto& name = list[c].name;
    measured.add(name + "-order", mean_of(state_slopes));
    measured.add(name + "-ledger-order", mean_of(ledger_slopes));
    measured.add(name + "-ledger", largest_of(coarse));
    if (name == "muon") measured.add("muon-coarse-ledger", mean_of(coarse));
    context.result({{"integrator", name},
                    {"state_slopes", state_slopes},
                    {"ledger_slopes", ledger_slopes},
                    {"coarse_ledger", coarse}});
    const double order = list[c].order;
    states.curves.push_back(
        {.label = name, .drawn = Drawn::marks, .x = options.steps, .y = state_mean});
    states.curves.push_back(
        power_line(fmt::format("order {}", order), options.steps, order,
                   std::log(state_mean.back()) - order * std::log(options.steps.back())));
    ledgers.curves.push_back(
        {.label = name, .drawn = Drawn::marks, .x = options.steps, .y = ledger_mean});
  }
  measured.figures = {std::move(states), std::move(ledgers)};
  return measured;
}

}  // namespace muonflow::study
