#include "muonflow/cli/catalogue.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/data/datasets.hpp"
#include "muonflow/data/samples.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/objective.hpp"
#include "muonflow/flow/options.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/model/models.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "muonflow/optim/transforms.hpp"
#include "muonflow/study/study.hpp"
#include "muonflow/train/config.hpp"

namespace muonflow::cli {
namespace {

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string traits_text(optim::Trait traits) {
  using optim::Trait;
  constexpr std::array<std::pair<Trait, std::string_view>, 10> kNames{
      {{Trait::elementwise, "elementwise"},
       {Trait::orthogonal_equivariant, "D(U G V') = U D(G) V'"},
       {Trait::left_equivariant, "D(U G) = U D(G)"},
       {Trait::right_equivariant, "D(G V') = D(G) V'"},
       {Trait::transpose_equivariant, "D(G') = D(G)'"},
       {Trait::scale_invariant, "D(c G) = D(G)"},
       {Trait::zero_in_zero_out, "D(0) = 0"},
       {Trait::descends, "descends"},
       {Trait::counts_steps, "counts steps"},
       {Trait::random, "draws random numbers"}}};
  std::vector<std::string> said;
  for (const auto& [trait, name] : kNames) {
    if (has(traits, trait)) said.emplace_back(name);
  }
  return join(said);
}

std::vector<Item> rule_items() {
  std::vector<Item> items;
  for (const auto& entry : optim::rules().all()) {
    const auto& info = entry.info;
    Item item{entry.name, std::string(info.summary), std::string(info.cite), {}, {}};
    item.facts = {
        {"takes", info.takes == optim::Takes::matrices ? "matrices" : "any tensor"},
        {"learning rate", shortest(info.lr)},
        {"shape scale", info.scale_built_in ? "built in" : std::string(enum_name(info.adjust_lr))},
        {"weight decay", std::string(enum_name(info.decay))},
        {"transfer", std::string(info.transfer.family) + ": " + optim::to_text(info.transfer)},
        {"holds for", optim::regime_text(info.transfer)},
        {"laws", traits_text(info.traits)},
        {"differs", std::string(info.differs)}};
    const auto add = [&](const std::string& name, const optim::RulePreset& preset) {
      item.presets.push_back({name, std::string(preset.doc), Json::parse(preset.options).dump()});
    };
    for (const auto& preset : entry.presets) {
      add(entry.name + "." + std::string(preset.name), preset);
    }
    for (const auto& alias : optim::rule_aliases(entry.name)) add(std::string(alias.name), alias);
    item.options = optim::describe_rule(entry);
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<Item> transform_items() {
  std::vector<Item> items;
  for (const auto& entry : optim::transforms()) {
    items.push_back({std::string(entry.info.name),
                     std::string(entry.info.summary),
                     std::string(entry.info.cite),
                     {{"options in", std::string(entry.info.keys)}},
                     entry.options});
  }
  return items;
}

// "yes, Hessian at most 100 with these options"
std::string smooth_text(const geometry::GeometryEntry& entry) {
  const auto bound = entry.make_double(Json::object(), {}, "")->hessian_bound();
  if (!entry.info.smooth || !bound) return yes_no(entry.info.smooth);
  return "yes, its Hessian at most " + shortest(*bound) +
         (entry.fields.empty() ? "" : " with the options' defaults");
}

std::vector<Item> geometry_items() {
  std::vector<Item> items;
  for (const auto& entry : geometry::geometries().all()) {
    const auto& info = entry.info;
    items.push_back(
        {entry.name,
         std::string(info.equation),
         std::string(info.cite),
         {{"convex", yes_no(info.convex)},
          {"smooth", smooth_text(entry)},
          {"bounded gradient", yes_no(info.bounded_gradient)},
          {"orthogonally invariant", yes_no(info.orthogonally_invariant)},
          {"potential", info.has_potential ? "yes" : "no: no energy"},
          {"a step minimizes",
           info.step.empty() ? "nothing known" : "<M, W'> + " + std::string(info.step)}},
         entry.fields});
  }
  return items;
}

std::vector<Item> integrator_items() {
  std::vector<Item> items;
  for (const auto& entry : flow::integrators().all()) {
    const auto& info = entry.info;
    items.push_back({entry.name,
                     fmt::format("order {}, {} gradient{} a step", info.order,
                                 info.gradients_per_step, info.gradients_per_step == 1 ? "" : "s"),
                     std::string(info.cite),
                     {{"a step dissipates", std::string(info.dissipation)},
                      {"momentum-free dynamics", yes_no(info.momentum_free)}},
                     {}});
  }
  return items;
}

std::vector<Item> objective_items() {
  std::vector<Item> items;
  for (const auto& entry : flow::objectives().all()) {
    std::vector<std::string> risks;
    for (const auto risk : entry.info.risks) risks.emplace_back(enum_name(risk));
    items.push_back({entry.name,
                     std::string(entry.info.equation),
                     std::string(entry.info.cite),
                     {{"risks", join(risks)}},
                     entry.describe()});
  }
  return items;
}

std::vector<Item> model_items() {
  std::vector<Item> items;
  for (const auto& entry : model::models().all()) {
    items.push_back({entry.name, entry.summary, entry.cite, {}, entry.options()});
  }
  return items;
}

std::vector<Item> data_items() {
  std::vector<Item> items;
  for (const auto& entry : data::datasets().all()) {
    items.push_back({entry.name,
                     entry.summary,
                     "",
                     {{"licence", entry.licence},
                      {"bytes", std::to_string(entry.bytes)},
                      {"obtain", entry.obtain}},
                     {}});
  }
  for (const auto& entry : data::sample_sets().all()) {
    items.push_back({entry.name,
                     entry.summary,
                     "",
                     {{"use", "objective.dataset of a flow (two_layer, moe)"},
                      {"licence", entry.licence},
                      {"samples", "at most " + std::to_string(entry.most)},
                      {"obtain", entry.obtain}},
                     {}});
  }
  return items;
}

std::vector<Item> study_items() {
  std::vector<Item> items;
  for (const auto& entry : study::studies().all()) {
    const auto& info = entry.info;
    Item item{entry.name, std::string(info.title), std::string(info.paper), {}, entry.describe()};
    item.facts = {{"statement", std::string(info.statement)},
                  {"computed", std::string(info.computes)}};
    for (const auto& bound : entry.bounds(entry.resolve(Json::object(), false, {}))) {
      const auto range = bound.decides() ? bound.range_text() : "told, decides nothing";
      item.facts.emplace_back(bound.name, bound.quantity + ": " + range);
    }
    items.push_back(std::move(item));
  }
  return items;
}

// The keys of configuration files.
std::vector<Item> setting_items() {
  return {{"train", "muonflow train CONFIG.toml", "", {}, describe<train::TrainConfig>()},
          {"flow", "muonflow flow CONFIG.toml", "", {}, describe<flow::FlowOptions>()}};
}

std::vector<Item> command_items() {
  std::vector<Item> items;
  for (const auto& entry : commands().all()) {
    items.push_back({entry.name, entry.summary, "", {{"example", entry.example}}, {}});
  }
  return items;
}

}  // namespace

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"rules", "optimizers, for [optimizer] and replay", rule_items},
      {"transforms", "around any rule, for [optimizer] and its groups", transform_items},
      {"geometries", "kinetic energies, for rules and for [geometry] of a flow", geometry_items},
      {"integrators", "for [integrator] of a flow", integrator_items},
      {"objectives", "for [objective] of a flow", objective_items},
      {"models", "for [model] and grad", model_items},
      {"data", "for [data] and muonflow data get", data_items},
      {"studies", "for muonflow study", study_items},
      {"settings", "every key of a configuration file", setting_items},
      {"commands", "of this program", command_items}};
  return all;
}

}  // namespace muonflow::cli
