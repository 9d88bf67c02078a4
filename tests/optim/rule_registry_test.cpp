#include "muonflow/optim/rule_registry.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/optim/resolve.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

Json resolved_options(const ResolvedRule& resolved) {
  return fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(*resolved.rule).fields(v); });
}

TEST(RuleRegistry, KnowsRulesAndPresets) {
  EXPECT_EQ(find_rule("muon").preset, nullptr);
  const auto named = find_rule("muon.pytorch");
  EXPECT_EQ(named.entry->name, "muon");
  ASSERT_NE(named.preset, nullptr);
  EXPECT_EQ(named.preset->name, "pytorch");
  for (const auto& name : rule_names()) EXPECT_NO_THROW(find_rule(name)) << name;
}

TEST(RuleRegistry, NamesTheNearest) {
  EXPECT_MENTIONS(message_of<ConfigError>([] { find_rule("moun", "run.toml:3"); }),
                  "run.toml:3: unknown rule 'moun'");
  EXPECT_MENTIONS(message_of<ConfigError>([] { find_rule("moun"); }), "did you mean 'muon'?");
  EXPECT_MENTIONS(message_of<ConfigError>([] { find_rule("muon.pytroch"); }),
                  "did you mean 'muon.pytorch'?");
  EXPECT_MENTIONS(message_of<ConfigError>([] { find_rule("sgd.pytorch"); }), "unknown rule");
}

TEST(RuleRegistry, EveryRuleAndPresetResolvesAndSaysWhatItIs) {
  for (const auto& name : rule_names()) {
    const auto resolved = resolve_rule(name, ApplyOptions{}, Json::object());
    EXPECT_NE(resolved.decay, Decay::automatic) << name;
    EXPECT_NE(resolved.adjust_lr, Scale::automatic) << name;
    EXPECT_GT(resolved.lr, 0) << name;
    EXPECT_EQ(resolved.name, name);
  }
  for (const auto& entry : rules().all()) {
    if (entry.name.starts_with("toy_")) continue;
    EXPECT_FALSE(entry.info.summary.empty()) << entry.name;
    EXPECT_FALSE(entry.info.cite.empty()) << entry.name;
    for (const auto& preset : entry.presets) EXPECT_FALSE(preset.doc.empty()) << preset.name;
  }
}

TEST(Resolve, DefaultsThenPresetThenUser) {
  const auto plain = resolve_rule("muon", ApplyOptions{}, Json::object());
  EXPECT_EQ(plain.lr, 0.02);
  EXPECT_EQ(plain.weight_decay, 0);
  EXPECT_EQ(plain.adjust_lr, Scale::original);
  const auto preset = resolve_rule("muon.moonlight", ApplyOptions{}, Json::object());
  EXPECT_EQ(preset.lr, 1e-3);
  EXPECT_EQ(preset.weight_decay, 0.1);
  EXPECT_EQ(preset.adjust_lr, Scale::match_rms_adamw);
  EXPECT_EQ(resolved_options(preset)["momentum_form"], "sum");
  const auto mine =
      resolve_rule("muon.moonlight", {.lr = 0.5, .weight_decay = 0.0, .adjust_lr = Scale::none},
                   Json{{"momentum", 0.5}});
  EXPECT_EQ(mine.lr, 0.5);
  EXPECT_EQ(mine.weight_decay, 0);
  EXPECT_EQ(mine.adjust_lr, Scale::none);
  EXPECT_EQ(resolved_options(mine)["momentum"], 0.5);
  EXPECT_EQ(resolved_options(mine)["momentum_form"], "sum");
}

TEST(Resolve, FlatTreeHoldsBothKinds) {
  const auto resolved = resolve_rule(
      "muon", Json{{"lr", 0.1}, {"momentum", 0.5}, {"decay", "independent"}, {"layout", "stack"}});
  EXPECT_EQ(resolved.lr, 0.1);
  EXPECT_EQ(resolved.decay, Decay::independent);
  EXPECT_EQ(resolved.layout, Layout::stack);
  EXPECT_EQ(resolved_options(resolved)["momentum"], 0.5);
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("muon", Json{{"weight_dcay", 1}});
                  }),
                  "did you mean 'weight_decay'?");
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("muon", Json{{"ns_step", 1}});
                  }),
                  "did you mean 'ns_steps'?");
}

TEST(Resolve, RefusesAdjustLrWhereTheScaleIsBuiltIn) {
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("toy_weights", {.adjust_lr = Scale::spectral}, Json::object());
                  }),
                  "adjust_lr: rule 'toy_weights' scales by shape itself");
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("toy_weights", Json{{"adjust_lr", "none"}});
                  }),
                  "scales by shape itself");
  EXPECT_EQ(resolve_rule("toy_weights", Json::object()).adjust_lr, Scale::none);
}

TEST(Resolve, AsksTheRuleForContradictions) {
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("sgd", Json{{"nesterov", true}});
                  }),
                  "momentum above 0");
  EXPECT_NO_THROW(resolve_rule("sgd", Json{{"nesterov", true}, {"momentum", 0.9}}));
}

TEST(Resolve, RefusesValuesOutOfRange) {
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("muon", Json{{"momentum", 1.0}});
                  }),
                  "[0, 1)");
  EXPECT_MENTIONS(message_of<ConfigError>([] { resolve_rule("muon", Json{{"lr", -1}}); }), "lr");
  EXPECT_MENTIONS(message_of<ConfigError>([] {
                    resolve_rule("adamw", Json{{"betas", {0.9}}});
                  }),
                  "2 numbers");
}

}  // namespace
}  // namespace muonflow::optim
