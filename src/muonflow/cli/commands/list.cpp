// muonflow list: what there is, each with its options and its reference; read from the registries
// alone, so that it can neither lag behind nor compute anything.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/data/datasets.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/objective.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/model/models.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::cli {
namespace {

// One entry of any registry, as this command shows it.
struct Item {
  std::string name;
  std::string summary;
  std::string cite;
  std::vector<std::pair<std::string, std::string>> facts;  // what else it says of itself
  std::vector<FieldInfo> options;
};

struct Kind {
  std::string name;
  std::string doc;
  std::vector<Item> (*items)();
};

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string traits_text(optim::Trait traits) {
  using optim::Trait;
  constexpr std::array<std::pair<Trait, std::string_view>, 7> kNames{
      {{Trait::elementwise, "elementwise"},
       {Trait::orthogonal_equivariant, "D(U G V') = U D(G) V'"},
       {Trait::transpose_equivariant, "D(G') = D(G)'"},
       {Trait::scale_invariant, "D(c G) = D(G)"},
       {Trait::zero_in_zero_out, "D(0) = 0"},
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
        {"laws", traits_text(info.traits)}};
    for (const auto& preset : entry.presets) {
      item.facts.emplace_back(entry.name + "." + std::string(preset.name),
                              std::string(preset.doc) + "  " + std::string(preset.options));
    }
    item.options = optim::describe_rule(entry);
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<Item> geometry_items() {
  std::vector<Item> items;
  for (const auto& entry : geometry::geometries().all()) {
    const auto& info = entry.info;
    items.push_back({entry.name,
                     std::string(info.equation),
                     std::string(info.cite),
                     {{"convex", yes_no(info.convex)},
                      {"smooth", yes_no(info.smooth)},
                      {"bounded gradient", yes_no(info.bounded_gradient)},
                      {"orthogonally invariant", yes_no(info.orthogonally_invariant)}},
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
  return items;
}

std::vector<Item> command_items() {
  std::vector<Item> items;
  for (const auto& entry : commands().all()) {
    items.push_back({entry.name, entry.summary, "", {{"example", entry.example}}, {}});
  }
  return items;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"rules", "optimizers, for [optimizer] and replay", rule_items},
      {"geometries", "kinetic energies, for rules and for [geometry] of a flow", geometry_items},
      {"integrators", "for [integrator] of a flow", integrator_items},
      {"objectives", "for [objective] of a flow", objective_items},
      {"models", "for [model] and grad", model_items},
      {"data", "for [data] and muonflow data get", data_items},
      {"commands", "of this program", command_items}};
  return all;
}

const Kind& kind_named(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& kind : kinds()) {
    if (kind.name == name || kind.name == name + "s") return kind;
    known.push_back(kind.name);
  }
  const auto near = nearest_name(name, known);
  throw ConfigError({.place = "muonflow list",
                     .what = "nothing is called '" + name + "'",
                     .expected = "one of " + join(known),
                     .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
}

Json to_json(const Item& item) {
  Json object{{"name", item.name}, {"summary", item.summary}, {"reference", item.cite}};
  for (const auto& [name, text] : item.facts) object["facts"][name] = text;
  object["options"] = Json::array();
  for (const auto& option : item.options) {
    object["options"].push_back({{"name", option.name},
                                 {"type", option.type},
                                 {"default", Json::parse(option.default_value)},
                                 {"range", option.range},
                                 {"doc", option.doc}});
  }
  return object;
}

// One line an entry.
void print_table(const std::vector<Item>& items) {
  std::size_t name_width = 0;
  std::size_t summary_width = 0;
  for (const auto& item : items) {
    name_width = std::max(name_width, item.name.size());
    summary_width = std::max(summary_width, item.summary.size());
  }
  for (const auto& item : items) {
    if (item.cite.empty()) {
      fmt::print("  {:<{}}  {}\n", item.name, name_width, item.summary);
    } else {
      fmt::print("  {:<{}}  {:<{}}  {}\n", item.name, name_width, item.summary, summary_width,
                 item.cite);
    }
  }
}

// Everything that an entry says of itself.
void print_details(const Item& item) {
  fmt::print("{}: {}\n", item.name, item.summary);
  if (!item.cite.empty()) fmt::print("  {:<16} {}\n", "reference", item.cite);
  for (const auto& [name, text] : item.facts) {
    if (!text.empty()) fmt::print("  {:<16} {}\n", name, text);
  }
  if (item.options.empty()) return;
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  std::size_t range_width = 0;
  for (const auto& option : item.options) {
    name_width = std::max(name_width, option.name.size());
    value_width = std::max(value_width, option.default_value.size());
    range_width = std::max(range_width, option.range.size());
  }
  fmt::print("  options\n");
  for (const auto& option : item.options) {
    fmt::print("    {:<{}} = {:<{}}  {:<{}}  {}\n", option.name, name_width, option.default_value,
               value_width, option.range, range_width, option.doc);
  }
}

class List final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positional("kind", kind_,
                 "rules, geometries, integrators, objectives, models, data or commands", false);
    a.positional("name", name_, "one of them, with everything that it says of itself", false);
    a.flag("json", json_, "prints JSON");
  }

  int run() override {
    if (kind_.empty()) {
      list_everything();
    } else if (name_.empty()) {
      list_kind(kind_named(kind_));
    } else {
      show_one(kind_named(kind_));
    }
    return 0;
  }

 private:
  void list_everything() const {
    Json all;
    for (const auto& kind : kinds()) {
      const auto items = kind.items();
      if (json_) {
        all[kind.name] = Json::array();
        for (const auto& item : items) all[kind.name].push_back(to_json(item));
      } else {
        fmt::print("{} ({})\n", kind.name, kind.doc);
        print_table(items);
        fmt::print("\n");
      }
    }
    if (json_) {
      fmt::print("{}\n", all.dump(2));
    } else {
      fmt::print("More about one of them: muonflow list rules muon\n");
    }
  }

  void list_kind(const Kind& kind) const {
    const auto items = kind.items();
    if (json_) {
      Json all = Json::array();
      for (const auto& item : items) all.push_back(to_json(item));
      fmt::print("{}\n", all.dump(2));
      return;
    }
    bool first = true;
    for (const auto& item : items) {
      if (!first) fmt::print("\n");
      print_details(item);
      first = false;
    }
  }

  void show_one(const Kind& kind) const {
    std::vector<std::string> known;
    for (const auto& item : kind.items()) {
      // A preset is shown with its rule.
      if (item.name == name_ || name_.rfind(item.name + ".", 0) == 0) {
        if (json_) {
          fmt::print("{}\n", to_json(item).dump(2));
        } else {
          print_details(item);
        }
        return;
      }
      known.push_back(item.name);
    }
    const auto near = nearest_name(name_, known);
    throw ConfigError({.place = "muonflow list " + kind.name,
                       .what = "nothing is called '" + name_ + "'",
                       .expected = "one of " + join(known),
                       .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
  }

  std::string kind_;
  std::string name_;
  bool json_ = false;
};

const Enrolled<List> enrolled{"list", "what there is, with options and references",
                              "muonflow list rules muon"};

}  // namespace
}  // namespace muonflow::cli
