#include "muonflow/cli/bench/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "muonflow/cli/bench/step_taker.hpp"
#include "muonflow/cli/bench/torch_peer.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::cli {
namespace {

struct StepMethod {
  std::string key;   // of bench/peers/steps.py
  std::string name;  // for people
};

// What PyTorch has for a rule; options given to a preset do not change what a step costs.
std::vector<StepMethod> methods_for(const std::string& rule) {
  const auto name = rule.substr(0, rule.find('.'));
  if (name == "sgd") return {{"sgd", "SGD, for-loop"}, {"sgd_foreach", "SGD, foreach"}};
  if (name == "adamw") return {{"adamw", "AdamW, for-loop"}, {"adamw_foreach", "AdamW, foreach"}};
  if (name == "muon") return {{"muon", "Muon"}};
  if (name == "soap") return {{"soap", "SOAP"}};
  return {};
}

// A contender of bench steps: what is known of it beside its times.
struct Facts {
  std::optional<double> state_bytes;
  std::optional<double> difference;  // from our weights, relative to how far these moved
};

class StepSession {
 public:
  explicit StepSession(const BenchSteps& bench) : bench_(bench), text_(bench.output.text()) {
    fmt::print(text_, "{} threads. ", threads());
    fmt::print(text_,
               "Medians of at most {} rounds, contenders in turn; spread: distance of the "
               "quartiles.\nRules that refresh something do so every tenth step; times are means "
               "over whole cycles.\n",
               bench.turns.rounds);
    if (bench.peers) torch_ = start_torch_peers(text_, "steps.py");
    document_ = describe_bench("bench steps");
    document_["rounds"] = bench.turns.rounds;
    for (const auto& torch : torch_) document_["libraries"][torch.name] = torch.peer->about();
    document_["rows"] = Json::array();
  }

  void measure(StepModel model) {
    const auto shapes = step_shapes(model);
    const StepPool pool(shapes);
    fmt::print(text_, "\n{}, {} tensors of {} parameters\n{:<60} {:>10} {:>7} {:>9} {:>8}\n",
               shapes.title, shapes.tensors.size(),
               thousands(static_cast<double>(shapes.parameters)), "", "ms/step", "spread",
               "state MB", "time");
    for (const auto& rule : bench_.rules) {
      if (!interrupted()) measure(rule, pool);
    }
  }

  const Json& document() const { return document_; }

 private:
  void measure(const std::string& rule, const StepPool& pool) {
    StepTaker ours(rule, pool);
    std::vector<Contender> contenders{
        {.name = kOurs, .ours = true, .turn = [&] { return ours.time(bench_.seconds); }}};
    std::vector<Facts> facts{{static_cast<double>(ours.state_bytes()), std::nullopt}};
    add_peers(rule, pool, ours, contenders, facts);
    const auto rivals = contenders.size();
    std::optional<CopyFloor> copy;
    if (ours.elementwise()) {
      copy.emplace(pool.shapes().parameters, ours.state_bytes());
      contenders.push_back({.name = "copy", .turn = [&] { return copy->time(bench_.seconds); }});
    }
    Progress progress(fmt::format("{}, {}", rule, pool.shapes().title), bench_.turns.rounds);
    take_turns(contenders, bench_.turns, [&](std::int64_t round) {
      progress.update(round, fmt::format("{} contenders", contenders.size()));
      return !interrupted();
    });
    progress.finish();
    std::optional<Contender> floor;
    if (contenders.size() > rivals) {
      floor = contenders.back();
      contenders.pop_back();
    }
    auto entry = row(rule, pool, ours, contenders, facts);
    if (floor) entry["floor"] = floor_of(*copy, *floor, contenders.front());
    print(rule, ours, contenders, entry);
    document_["rows"].push_back(std::move(entry));
  }

  void add_peers(const std::string& rule, const StepPool& pool, const StepTaker& ours,
                 std::vector<Contender>& contenders, std::vector<Facts>& facts) const {
    const auto methods = methods_for(rule);
    if (methods.empty()) return;
    const auto expected = ours.weights();
    const auto& shapes = pool.shapes();
    const auto line = fmt::format("load {} {} {}", shapes.text(), shapes.matrices, kStepShift);
    for (const auto& [name, peer] : torch_) {
      if (!peer->give(line, pool.values())) continue;
      for (const auto& method : methods) {
        contenders.push_back({.name = name + ", " + method.name,
                              .turn = [peer, key = method.key, least = bench_.seconds] {
                                return peer->time(key, least);
                              }});
        Facts known;
        std::vector<float> weights(expected.size());
        if (peer->ask("start " + method.key, weights)) {
          known.difference = relative_difference(weights, expected, pool);
        }
        known.state_bytes = peer->number("state " + method.key);
        facts.push_back(known);
      }
    }
  }

  static Json floor_of(const CopyFloor& copy, const Contender& floor, const Contender& ours) {
    const double time = median(floor.samples);
    return {{"bytes", copy.bytes()},
            {"bytes_per_second", copy.bytes() / time},
            {"samples", floor.samples},
            {"median", time},
            {"spread", spread(floor.samples)},
            {"ratio", ratio(ours.samples, floor.samples)},
            {"fraction", 1 / ratio(ours.samples, floor.samples)}};
  }

  static Json row(const std::string& rule, const StepPool& pool, const StepTaker& ours,
                  const std::vector<Contender>& contenders, const std::vector<Facts>& facts) {
    const auto& shapes = pool.shapes();
    Json out{{"work", "steps"},
             {"title", rule},
             {"size", shapes.title},
             {"rule", rule},
             {"preset", ours.preset()},
             {"model", std::string(enum_name(shapes.model))},
             {"parameters", shapes.parameters},
             {"tensors", shapes.tensors.size()},
             {"cycle", ours.cycle()},
             {"count", 1}};
    if (!ours.trouble().empty()) out["trouble"] = ours.trouble();
    out["contenders"] = Json::array();
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const auto& contender = contenders[i];
      const double time = median(contender.samples);
      Json entry{{"name", contender.name},
                 {"ours", contender.ours},
                 {"same_precision", contender.same_precision},
                 {"samples", contender.samples},  // seconds a step; null where it had no turn
                 {"median", time},
                 {"spread", spread(contender.samples)},
                 {"parameters_per_second", static_cast<double>(shapes.parameters) / time}};
      const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(); };
      entry["state_bytes"] = number(facts[i].state_bytes);
      entry["difference"] = number(facts[i].difference);
      entry["ratio"] = ratio(contender.samples, contenders.front().samples);
      out["contenders"].push_back(std::move(entry));
    }
    if (const auto best = best_rival(contenders)) {
      out["best_rival"] = contenders[*best].name;
      out["best_ratio"] = ratio(contenders[*best].samples, contenders.front().samples);
    }
    return out;
  }

  void print(const std::string& rule, const StepTaker& ours,
             const std::vector<Contender>& contenders, const Json& entry) const {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const auto& contender = contenders[i];
      const auto& numbers = entry["contenders"][i];
      const auto name = contender.ours ? rule : "  " + contender.name;
      const double time = median(contender.samples);
      if (!std::isfinite(time)) {
        fmt::print(text_, "{:<60} {}\n", name,
                   contender.ours ? ours.trouble() : "ended without an answer");
        continue;
      }
      const auto& state = numbers["state_bytes"];
      fmt::print(text_, "{:<60} {:>10.4g} {:>6.1f}% {:>9} {:>7.2f}x\n", name, 1e3 * time,
                 100 * spread(contender.samples),
                 state.is_null() ? "-" : fmt::format("{:.1f}", 1e-6 * state.get<double>()),
                 ratio(contender.samples, contenders.front().samples));
    }
    if (const auto best = best_rival(contenders)) {
      fmt::print(text_, "  the best rival, {}, takes {:.2f} times as long\n",
                 contenders[*best].name, entry["best_ratio"].get<double>());
    }
    if (entry.contains("floor")) {
      const auto& floor = entry["floor"];
      fmt::print(
          text_,
          "  {:.0f} MB moved at the {:.1f} GB/s of a copy take {:.4g} ms: {:.2f} times that, "
          "{:.0f}% of the bandwidth\n",
          1e-6 * floor["bytes"].get<double>(), 1e-9 * floor["bytes_per_second"].get<double>(),
          1e3 * floor["median"].get<double>(), floor["ratio"].get<double>(),
          100 * floor["fraction"].get<double>());
    }
    std::fflush(text_);
  }

  const BenchSteps& bench_;
  std::FILE* text_;
  std::vector<TorchPeer> torch_;
  Json document_;
};

}  // namespace

std::vector<std::string> step_rules_named(const std::string& text) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "all") {
      for (const auto& name : optim::rules().names()) add(name);
    } else {
      (void)optim::find_rule(word, "--rules");
      add(word);
    }
  }
  if (names.empty()) {
    throw ConfigError({.place = "--rules",
                       .expected = "all or names of rules, joined by commas",
                       .found = "none"});
  }
  return names;
}

int bench_steps(const BenchSteps& bench) {
  bench.output.prepare();
  // What was measured until then is still written, and no file of a peer stays behind.
  catch_interrupts();
  StepSession session(bench);
  for (const auto model : bench.models) {
    if (!interrupted()) session.measure(model);
  }
  bench.output.write(session.document());
  return 0;
}

}  // namespace muonflow::cli
