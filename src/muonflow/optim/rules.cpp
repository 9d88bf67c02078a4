#include "muonflow/optim/rules.hpp"

#include <algorithm>
#include <array>

#include "muonflow/core/text.hpp"

namespace muonflow::optim {
namespace {

constexpr std::array<RulePreset, 1> kAdamW{
    {{"adam", R"({"decay": "coupled"})", "torch.optim.Adam: decay is L2"}}};

// Rules that have names of their own for presets.
constexpr std::array<std::pair<std::string_view, std::span<const RulePreset>>, 1> kAliases{
    {{"adamw", kAdamW}}};

}  // namespace

namespace detail {

Registry<RuleEntry>& rule_registry() {
  static Registry<RuleEntry> registry("rule");
  return registry;
}

}  // namespace detail

std::span<const RulePreset> rule_aliases(std::string_view rule) {
  for (const auto& [name, aliases] : kAliases) {
    if (name == rule) return aliases;
  }
  return {};
}

const Registry<RuleEntry>& rules() { return detail::rule_registry(); }

std::vector<std::string> rule_names() {
  std::vector<std::string> names;
  for (const auto& entry : rules().all()) {
    names.push_back(entry.name);
    for (const auto& preset : entry.presets) {
      names.push_back(entry.name + "." + std::string(preset.name));
    }
  }
  for (const auto& [rule, aliases] : kAliases) {
    if (!rules().find(rule)) continue;
    for (const auto& alias : aliases) names.emplace_back(alias.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

NamedRule find_rule(std::string_view name, const std::string& place) {
  const auto dot = name.find('.');
  const RuleEntry* entry = rules().find(name.substr(0, dot));
  if (entry && dot == std::string_view::npos) return {entry, nullptr};
  if (entry) {
    for (const auto& preset : entry->presets) {
      if (preset.name == name.substr(dot + 1)) return {entry, &preset};
    }
  }
  for (const auto& [rule, aliases] : kAliases) {
    const auto* renamed = rules().find(rule);
    for (const auto& alias : aliases) {
      if (renamed && alias.name == name) return {renamed, &alias};
    }
  }
  const auto known = rule_names();
  const auto near = nearest_name(name, known);
  throw ConfigError({.place = place,
                     .what = "unknown rule '" + std::string(name) + "'",
                     .expected = "one of " + join(known),
                     .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
}

std::vector<FieldInfo> describe_rule(const RuleEntry& entry) {
  const auto rule = entry.make();
  return describe_fields([&](FieldVisitor& v) { rule->fields(v); });
}

}  // namespace muonflow::optim
