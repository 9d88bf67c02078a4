#include "muonflow/cli/flow_records.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace muonflow::cli {
namespace {

Json statistics_json(const flow::BlockStatistics& s) {
  return {{"kinetic", s.kinetic},
          {"dissipation", s.dissipation},
          {"power", s.power},
          {"weight_norm", s.weight_norm},
          {"momentum_norm", s.momentum_norm},
          {"force_norm", s.force_norm},
          {"velocity_norm", s.velocity_norm},
          {"alignment", s.alignment},
          {"momentum_op_norm", s.momentum_op_norm}};
}

Json rate_json(const flow::CertifiedRate& c, const std::optional<flow::RateFit>& fitted) {
  const auto& k = c.constants;
  Json json = {{"from", c.from},
               {"to", c.to},
               {"rate", c.rate},
               {"textbook_rate", c.textbook_rate},
               {"fitted_to_certified", nullptr},
               {"alignment_rate", nullptr},
               {"kappa", c.kappa},
               {"delta", c.delta},
               {"theta", c.theta},
               {"constants",
                {{"K", k.K},
                 {"lambda", k.lambda},
                 {"smoothness", k.smoothness},
                 {"curvature", k.curvature},
                 {"turning", k.turning},
                 {"pull", k.pull},
                 {"floor", k.floor},
                 {"ceiling", k.ceiling},
                 {"reach", k.reach},
                 {"share", k.share},
                 {"lean", k.lean},
                 {"spread", k.spread},
                 {"alignment", k.alignment}}}};
  if (fitted && c.rate > 0) json["fitted_to_certified"] = fitted->rate / c.rate;
  if (c.alignment_rate) json["alignment_rate"] = *c.alignment_rate;
  return json;
}

}  // namespace

void FlowEvents::go_on(const Json* last) {
  if (last == nullptr || !last->contains("blocks")) return;
  for (const Json& block : last->at("blocks")) {
    before_.blocks.emplace_back().dissipation = block.at("dissipation").get<double>();
    dissipated_.push_back(block.at("dissipated").get<double>());
  }
  total_ = last->at("dissipated").get<double>();
}

Json FlowEvents::event(const flow::LedgerEntry& entry) {
  Json event = {{"kind", "flow"},
                {"step", entry.step},
                {"time", entry.time},
                {"objective", entry.objective},
                {"kinetic", entry.kinetic},
                {"energy", entry.energy},
                {"dissipated", entry.dissipated},
                {"ledger_error", entry.ledger_error},
                {"relative_ledger_error", entry.relative_ledger_error},
                {"momentum_op_norm", entry.momentum_op_norm},
                {"objective_increases", entry.objective_increases},
                {"energy_increases", entry.energy_increases}};
  if (!entry.statistics) return event;
  const auto& s = *entry.statistics;
  const auto total = statistics_json(s.total);
  for (const char* name : {"dissipation", "power", "weight_norm", "momentum_norm", "force_norm",
                           "velocity_norm", "alignment"}) {
    event[name] = total[name];
  }
  event["potential"] = s.potential;
  event["force_momentum"] = s.force_momentum;
  event["turning"] = s.turning;
  event["turning_norm"] = s.turning_norm;
  if (s.blocks.size() > 1) event["blocks"] = blocks_of(entry);
  if (spectra_) {
    Json by_name = Json::object();
    for (const auto& block : s.blocks) by_name[block.name] = block.spectrum;
    event["momentum_spectrum"] = s.blocks.size() == 1 ? Json(s.blocks.front().spectrum) : by_name;
  }
  before_ = s;
  total_ = entry.dissipated;
  return event;
}

Json FlowEvents::blocks_of(const flow::LedgerEntry& entry) {
  const auto& s = *entry.statistics;
  dissipated_.resize(s.blocks.size());
  if (!before_.blocks.empty()) {
    const auto shares = flow::split_dissipation(entry.dissipated - total_, before_, s);
    for (std::size_t b = 0; b < shares.size(); ++b) dissipated_[b] += shares[b];
  }
  Json blocks = Json::object();
  for (std::size_t b = 0; b < s.blocks.size(); ++b) {
    auto& block = blocks[s.blocks[b].name] = statistics_json(s.blocks[b]);
    block["dissipated"] = dissipated_[b];
  }
  return blocks;
}

std::vector<flow::CertificateSample> certificate_samples(const record::RunReader& run,
                                                         double infimum) {
  std::vector<flow::CertificateSample> samples;
  for (const Json* event : run.events("flow")) {
    if (!event->contains("turning")) continue;
    const auto number = [&](const char* name) { return event->value(name, 0.0); };
    const auto square = [&](const char* name) { return number(name) * number(name); };
    samples.push_back({.step = event->value("step", std::int64_t{0}),
                       .time = number("time"),
                       .gap = number("objective") - infimum,
                       .energy_gap = number("energy") - infimum,
                       .potential = number("potential"),
                       .dissipation = number("dissipation"),
                       .momentum2 = square("momentum_norm"),
                       .force2 = square("force_norm"),
                       .velocity2 = square("velocity_norm"),
                       .force_momentum = number("force_momentum"),
                       .force_velocity = number("power"),
                       .turning = number("turning"),
                       .turning_norm = number("turning_norm"),
                       .momentum_op_norm = number("momentum_op_norm")});
  }
  return samples;
}

Json to_json(const flow::Certificate& c, double weight) {
  if (!c.tail) return nullptr;
  Json json = {{"rate", c.tail->rate},
               {"fitted_rate", c.fitted->rate},
               {"fitted_rate_interval", {c.fitted->low, c.fitted->high}},
               {"tail", rate_json(*c.tail, c.fitted)},
               {"whole", rate_json(*c.whole, c.fitted)},
               {"local_rate", c.local_rate},
               {"local_lambda", c.local_lambda},
               {"critical_epsilon", nullptr},
               {"discrete", nullptr},
               {"records", c.records.size()},
               {"records_where_assumptions_hold", 0},
               {"violations", c.violations}};
  if (weight > 0) json["critical_epsilon"] = weight / c.critical_hessian;
  std::int64_t held = 0;
  for (const auto& r : c.records) held += r.assumptions;
  json["records_where_assumptions_hold"] = held;
  if (c.discrete) {
    const auto& d = *c.discrete;
    json["discrete"] = {{"rate", d.rate},
                        {"defect", d.defect},
                        {"admissible_step", d.admissible_step},
                        {"stable_step", d.stable_step},
                        {"rate_at_step", nullptr},
                        {"local_rate", d.local_rate}};
    if (d.rate_at_step) json["discrete"]["rate_at_step"] = *d.rate_at_step;
  }
  return json;
}

std::vector<Json> certificate_events(const flow::Certificate& certificate) {
  std::vector<Json> events;
  for (const auto& r : certificate.records) {
    events.push_back({{"kind", "certificate"},
                      {"step", r.step},
                      {"time", r.time},
                      {"lyapunov", r.lyapunov},
                      {"decay", r.decay},
                      {"derivative", r.derivative},
                      {"certified", certificate.tail->rate},
                      {"assumptions", r.assumptions},
                      {"failing", r.failing},
                      {"decreased", r.decreased}});
  }
  return events;
}

std::string certificate_text(const Json& c) {
  const auto number = [](const Json& value) { return value.get<double>(); };
  std::string text;
  for (const char* part : {"tail", "whole"}) {
    const auto& rate = c[part];
    text += fmt::format("certified  {:.4g} over t {:.4g} to {:.4g}", number(rate["rate"]),
                        number(rate["from"]), number(rate["to"]));
    if (!rate["fitted_to_certified"].is_null()) {
      text += fmt::format("; fitted / certified {:.4g}", number(rate["fitted_to_certified"]));
    }
    text += fmt::format(" (fixed weights: {:.3g})\n", number(rate["textbook_rate"]));
  }
  text += fmt::format("local      {:.4g} by the formula, lambda {:.4g}", number(c["local_rate"]),
                      number(c["local_lambda"]));
  if (!c["critical_epsilon"].is_null()) {
    text += fmt::format(", critical epsilon {:.4g}", number(c["critical_epsilon"]));
  }
  text += '\n';
  if (!c["discrete"].is_null()) {
    const auto& d = c["discrete"];
    text += fmt::format("muon steps certified below h {:.3g}, linearly stable below {:.3g}\n",
                        number(d["admissible_step"]), number(d["stable_step"]));
  }
  text += fmt::format("lyapunov   assumptions held at {} of {} records, {} violations among them\n",
                      c["records_where_assumptions_hold"].dump(), c["records"].dump(),
                      c["violations"].dump());
  return text;
}

}  // namespace muonflow::cli
