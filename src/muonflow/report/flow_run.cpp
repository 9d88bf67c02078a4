#include "muonflow/report/flow_run.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "muonflow/report/events.hpp"
#include "muonflow/report/run_state.hpp"

namespace muonflow::report {
namespace {

// The spectra of one event by block: a list of values, or an object of such lists.
std::vector<std::pair<std::string, const Json*>> blocks_of(const Json& spectrum) {
  std::vector<std::pair<std::string, const Json*>> blocks;
  if (spectrum.is_array()) blocks.emplace_back("", &spectrum);
  if (spectrum.is_object()) {
    for (const auto& [block, values] : spectrum.items()) blocks.emplace_back(block, &values);
  }
  return blocks;
}

void add_spectrum(std::vector<Spectra>& spectra, double time, const Json& event) {
  const auto& spectrum = member(event, "momentum_spectrum");
  for (const auto& [block, values] : blocks_of(spectrum)) {
    if (!values->is_array() || values->empty()) continue;
    auto at = std::find_if(spectra.begin(), spectra.end(),
                           [&, &name = block](const Spectra& s) { return s.block == name; });
    if (at == spectra.end()) {
      at = spectra.insert(at, {.block = block, .time = {}, .rows = {}});
      at->rows.resize(values->size());
    }
    if (values->size() != at->rows.size()) continue;
    at->time.push_back(time);
    for (std::size_t i = 0; i < values->size(); ++i) {
      const auto& value = (*values)[i];
      at->rows[i].push_back(value.is_number() ? value.get<double>() : kNaN);
    }
  }
}

void add_blocks(std::vector<BlockLedger>& blocks, std::size_t records, const Json& event) {
  const auto& now = member(event, "blocks");
  if (!now.is_object()) return;
  for (const auto& [name, values] : now.items()) {
    auto at = std::find_if(blocks.begin(), blocks.end(),
                           [&key = name](const BlockLedger& b) { return b.block == key; });
    if (at == blocks.end())
      at = blocks.insert(at, {.block = name, .kinetic = {}, .dissipated = {}});
    at->kinetic.resize(records, kNaN);
    at->dissipated.resize(records, kNaN);
    at->kinetic.push_back(number_of(values, {"kinetic"}));
    at->dissipated.push_back(number_of(values, {"dissipated"}));
  }
}

// Rises beyond round-off: a flat objective must not count.
std::vector<std::size_t> rises(const std::vector<double>& values) {
  std::vector<std::size_t> at;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const double slack = 1e-12 * std::abs(values.front());
    if (values[i] > values[i - 1] + slack) at.push_back(i);
  }
  return at;
}

// Both numbers of a list of two, or neither.
std::pair<double, double> pair_of(const Json& list) {
  const bool both =
      list.is_array() && list.size() == 2 && list[0].is_number() && list[1].is_number();
  if (!both) return {kNaN, kNaN};
  return {list[0].get<double>(), list[1].get<double>()};
}

void read_summary(const record::RunReader& reader, FlowRun& run) {
  const Json none;
  const auto& summary = reader.summary() == nullptr ? none : *reader.summary();
  run.wall_seconds = number_of(summary, {"wall_seconds"});
  run.rate = number_of(summary, {"fitted_rate"});
  std::tie(run.rate_low, run.rate_high) = pair_of(member(summary, "fitted_rate_interval"));
  std::tie(run.rate_from, run.rate_to) = pair_of(member(summary, "fitted_rate_times"));
  run.infimum = number_of(summary, {"infimum"});
  run.certified_rate = number_of(summary, {"certificate.tail.rate"});
  run.certified_from = number_of(summary, {"certificate.tail.from"});
  run.certified_to = number_of(summary, {"certificate.tail.to"});
  run.certified_whole = number_of(summary, {"certificate.whole.rate"});
  run.records_certified = number_of(summary, {"certificate.records"});
  run.records_holding = number_of(summary, {"certificate.records_where_assumptions_hold"});
  run.violations = number_of(summary, {"certificate.violations"});
  run.certificate_note = text_of(summary, {"certificate_note"});
  for (const auto* event : reader.events("certificate")) {
    const auto& holds = member(*event, "assumptions");
    run.lyapunov_holds.push_back(!holds.is_boolean() || holds.get<bool>());
    run.lyapunov_time.push_back(number_of(*event, {"time"}));
    run.lyapunov.push_back(number_of(*event, {"lyapunov"}));
  }
  const double relative = number_of(summary, {"largest_relative_ledger_error"});
  if (std::isfinite(relative)) run.relative_ledger_error = relative;
  run.rises = {.objective = number_of(summary, {"objective_increases"}),
               .energy = number_of(summary, {"energy_increases"}),
               .out_of = number_of(summary, {"steps"}),
               .unit = "steps"};
  if (!std::isfinite(run.rises.objective + run.rises.energy + run.rises.out_of)) {
    run.rises = {.objective = static_cast<double>(run.increases.size()),
                 .energy = static_cast<double>(rises(run.energy).size()),
                 .out_of = run.time.empty() ? 0 : static_cast<double>(run.time.size() - 1),
                 .unit = "recorded times"};
  }
}

std::string shape_of(const Json& config) {
  const auto& shape = member(config, "particles.shape");
  const auto& shapes = member(config, "particles.shapes");
  const auto one = [](const Json& extents) {
    std::string out;
    for (const auto& extent : extents) out += (out.empty() ? "" : " × ") + plain_text(extent);
    return out;
  };
  if (shapes.is_object() && !shapes.empty()) {
    std::string out;
    for (const auto& [block, extents] : shapes.items()) {
      out += (out.empty() ? "" : ", ") + block + " " + one(extents);
    }
    return out;
  }
  return shape.is_array() ? one(shape) : "";
}

}  // namespace

FlowRun flow_run(const record::RunReader& reader, const std::string& name) {
  FlowRun run;
  run.name = name;
  run.relative_ledger_error = kNaN;
  for (const auto* event : reader.events("flow")) {
    const double time = number_of(*event, {"time"});
    run.time.push_back(time);
    run.objective.push_back(number_of(*event, {"objective"}));
    run.kinetic.push_back(number_of(*event, {"kinetic"}));
    run.energy.push_back(number_of(*event, {"energy"}));
    run.dissipated.push_back(number_of(*event, {"dissipated"}));
    run.ledger_error.push_back(number_of(*event, {"ledger_error"}));
    const double relative = number_of(*event, {"relative_ledger_error"});
    if (!(run.relative_ledger_error >= relative)) run.relative_ledger_error = relative;
    run.momentum_op_norm.push_back(number_of(*event, {"momentum_op_norm"}));
    run.particle_distance.push_back(number_of(*event, {"particle_distance"}));
    run.alignment.push_back(number_of(*event, {"alignment"}));
    add_blocks(run.blocks, run.time.size() - 1, *event);
    add_spectrum(run.spectra, time, *event);
  }
  for (auto& block : run.blocks) {
    block.kinetic.resize(run.time.size(), kNaN);
    block.dissipated.resize(run.time.size(), kNaN);
  }
  run.increases = rises(run.objective);
  const auto& config = member(reader.manifest(), "config");
  run.objective_name = text_of(config, {"objective.kind"});
  run.geometry = text_of(config, {"geometry.kind"});
  run.integrator = text_of(config, {"integrator.kind"});
  run.shape = shape_of(config);
  run.particles = number_of(config, {"particles.count"});
  run.momentum_free = text_of(config, {"dynamics.kind"}) == "momentum_free";
  run.gamma = number_of(config, {"dynamics.gamma"});
  run.step = number_of(config, {"integrator.step"});
  read_summary(reader, run);
  run.remarks = reader.remarks();
  // An interrupted run says how far it came, which may be past its last record.
  const auto* end = reader.last("end");
  const double ended = end == nullptr ? kNaN : number_of(*end, {"time"});
  const double recorded = run.time.empty() ? 0 : run.time.back();
  const double reached = ended >= recorded ? ended : recorded;
  run.state = run_state(reader, reached, number_of(config, {"integrator.end_time"}), "time");
  return run;
}

double FlowRun::largest_ledger_error() const {
  double largest = kNaN;
  for (const double error : ledger_error) {
    if (std::isfinite(error) && !(largest >= std::abs(error))) largest = std::abs(error);
  }
  return largest;
}

}  // namespace muonflow::report
