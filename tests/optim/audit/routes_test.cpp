#include "muonflow/optim/audit/routes.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/optim/audit/detail/catalogue.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

// What the audit holds a rule's file against says the same as that file.
TEST(AuditRoutes, TheCatalogueIsTypedTwiceAlike) {
  int presets = 0;
  for (const auto& name : rule_names()) {
    const auto named = find_rule(name);
    const auto* entry = detail::catalogue_entry(named.entry->name);
    if (!entry) continue;
    SCOPED_TRACE(name);
    const auto& info = named.entry->info;
    EXPECT_EQ(entry->lr, info.lr);
    EXPECT_EQ(entry->decay, info.decay);
    EXPECT_EQ(entry->scale_built_in, info.scale_built_in);
    if (!entry->scale_built_in) {
      EXPECT_EQ(entry->adjust_lr, info.adjust_lr);
    }
    EXPECT_EQ(entry->any_rank, info.takes == Takes::tensors);
    EXPECT_EQ(entry->entrywise, has(info.traits, Trait::elementwise));
    const auto rule = named.entry->make();
    const auto own = fields_to_json([&](FieldVisitor& v) { rule->fields(v); });
    // Numbers compare by value, whatever their type and order.
    EXPECT_EQ(nlohmann::json(own), nlohmann::json::parse(entry->options));
    if (!named.preset) continue;
    ++presets;
    const auto typed = detail::catalogue_preset(name);
    ASSERT_FALSE(typed.empty());
    EXPECT_EQ(nlohmann::json::parse(named.preset->options), nlohmann::json::parse(typed));
  }
  EXPECT_EQ(presets, 21);
}

std::vector<std::unique_ptr<Owned<>>> several_tensors() {
  const std::vector<std::pair<Shape, Role>> shapes{
      {{12, 4}, Role::hidden},        {{4, 12}, Role::hidden},  {{5}, Role::bias},
      {{7, 4}, Role::head},           {{4}, Role::norm},        {{9, 8}, Role::embedding},
      {{3, 4, 8}, Role::hidden},      {{2, 300}, Role::hidden}, {{6, 1, 3, 3}, Role::convolution},
      {{8, 2, 3}, Role::convolution}, {{4, 8}, Role::router}};
  std::vector<std::unique_ptr<Owned<>>> owned;
  for (const auto& [shape, role] : shapes) {
    owned.push_back(std::make_unique<Owned<>>("w" + std::to_string(owned.size()), shape, role));
  }
  return owned;
}

struct Routed {
  std::vector<std::unique_ptr<Owned<>>> owned = several_tensors();
  std::vector<Parameter<double>> parameters;
  RoutingOptions options;
  RoutingTable table;

  // With `base`, of a model whose sides are twice as long and which is three times as deep.
  explicit Routed(const RoutingOptions& given, bool base = false) : options(given) {
    for (auto& one : owned) {
      parameters.push_back(one->parameter);
      if (!base) continue;
      auto& p = parameters.back();
      p.depth_ratio = 3;
      for (const auto size : p.shape) p.base_shape.push_back(size % 2 == 0 ? size / 2 : size);
    }
    table = route<double>(parameters, options);
  }
  AuditReport report() const { return audit_routes<double>(table, parameters, options); }
  std::string line() const {
    const auto found = report();
    return found.failure() ? found.failure()->to_line() : std::string();
  }
};

std::vector<RoutingOptions> settings() {
  std::vector<RoutingOptions> all(6);
  all[1].hidden = {.lr = 0.03, .weight_decay = 0.1, .adjust_lr = Scale::spectral};
  all[1].other = {.lr = 0.004, .decay = Decay::coupled, .layout = Layout::conv};
  all[1].other.weight_decay = 0.2;
  all[1].hidden.options = OptionsTree(R"({"momentum": 0.8, "nesterov": false})");
  all[1].momentum_warmup = {.start = 0.5, .steps = 7};
  all[2].preset = "soap+adam";
  all[2].hidden.transforms.blocking.size = 3;
  all[2].hidden.transforms.grafting.rule = "muon.moonlight";
  all[2].hidden.transforms.cautious.updates = true;
  all[2].groups = {{.transforms = {.error_feedback = {.on = true}},
                    .without = {"grafting", "blocking"},
                    .patterns = {"w0", "*1"}},
                   {.rule = "muon.moonlight", .roles = {"head"}}};
  all[3].groups = {{.weight_decay = 0.3, .patterns = {"w0"}, .split_sizes = {4, 4, 4}},
                   {.rule = "normuon", .lr = 0.5, .patterns = {"w?"}, .roles = {"head", "router"}},
                   {.layout = Layout::stack, .patterns = {"w9"}},
                   {.patterns = {"w1"}, .num_heads = 2}};
  all[3].momentum_warmup = {.start = 0.5, .steps = 7};
  all[3].groups[0].without = {"momentum_warmup"};
  all[3].groups[3].momentum_warmup = {.start = 0.7, .steps = 3};
  all[4].preset = "shampoo+lion";
  all[4].hidden.options = OptionsTree(R"({"grafting": "none", "block_size": 2})");
  all[4].hidden.transforms.spectral_normalization.kind = NormKind::spectral;
  all[5].hidden.transforms.grafting.rule = "adam";
  return all;
}

TEST(AuditRoutes, TablesOfRoutingAreWhatTheConfigurationSays) {
  for (const bool base : {false, true}) {
    int k = 0;
    for (const auto& options : settings()) {
      const Routed routed(options, base);
      EXPECT_EQ(routed.line(), "") << "setting " << k << (base ? " with a base" : "");
      EXPECT_EQ(routed.report().judged(), 11);
      ++k;
    }
  }
}

// The multiplier of every rule, with options that change it.
TEST(AuditRoutes, TransferOfEveryRule) {
  std::vector<std::pair<std::string, std::string>> rules_and_options{
      {"adamuon", R"({"sign_input": false})"},
      {"scion", R"({"norm": "column"})"},
      {"scion", R"({"norm": "row"})"},
      {"freon", R"({"normalization": "none", "c": 0.3})"},
      {"freon", R"({"normalization": "schatten"})"},
      {"freon", R"({"c": 1})"},
      {"shampoo", R"({"grafting": "none", "block_size": 3})"},
      {"shampoo", R"({"grafting": "none", "one_sided": "left", "k": 0.5})"},
      {"soap", R"({"max_precond_dim": 6})"},
      {"regularized_muon", R"({"epsilon_mode": "relative"})"}};
  for (const auto& name : rule_names()) {
    if (detail::catalogue_entry(find_rule(name).entry->name)) {
      rules_and_options.emplace_back(name, "{}");
    }
  }
  for (const auto& [rule, own] : rules_and_options) {
    for (const auto weight_decay : {DecayTransfer::inverse_width, DecayTransfer::constant}) {
      RoutingOptions options;
      options.preset = rule + "+adamw";
      options.hidden.options = OptionsTree(own);
      options.hidden.weight_decay = 0.1;
      options.transfer.weight_decay = weight_decay;
      options.groups = {{.patterns = {"w1"}, .num_heads = 2}};
      EXPECT_EQ(Routed(options, true).line(), "") << rule << " " << own;
      options.hidden.transforms.blocking.size = 3;
      EXPECT_EQ(Routed(options, true).line(), "") << rule << " in blocks " << own;
    }
  }
}

struct Spoiled {
  std::string expected;  // in the line
  std::function<void(RoutingTable&)> spoil;
};

TEST(AuditRoutes, ARowThatIsAnotherIsNamed) {
  auto options = settings()[3];
  RoutingOptions slower;
  slower.preset = "muon";
  slower.hidden.options = OptionsTree(R"({"momentum": 0.9})");
  slower.hidden.transforms.blocking.size = 2;
  slower.groups = {{.rule = "adamw", .roles = {"bias", "norm"}}};
  const RoutingTable other = Routed(slower).table;
  const std::vector<Spoiled> all{
      {"w5: rule: expected adamw, found muon", [&](auto& t) { t.rows[5] = other.rows[5]; }},
      {"w0: learning rate: expected 0.02", [](auto& t) { t.rows[0].lr = 0.03; }},
      {"w0: weight decay: expected 0.1", [](auto& t) { t.rows[0].weight_decay = 0; }},
      {"w1: decay form: expected before, found after",
       [](auto& t) { t.rows[1].resolved.decay = Decay::after; }},
      {"w6: layout: expected default, found conv",
       [](auto& t) { t.rows[6].resolved.layout = Layout::conv; }},
      {"w0: split_sizes: expected [4, 4, 4], found none",
       [](auto& t) { t.rows[0].split_sizes.clear(); }},
      {"w1: num_heads: expected 2", [](auto& t) { t.rows[1].num_heads.reset(); }},
      {"w0: momentum warmup: steps: expected 0",
       [](auto& t) { t.rows[0].momentum_warmup.steps = 7; }},
      {"w1: momentum warmup: start: expected 0.7",
       [](auto& t) { t.rows[1].momentum_warmup.start = 0.5; }},
      {"w0: transfer: learning rate: expected", [](auto& t) { t.rows[0].transfer_lr *= 2; }},
      {"w0: transfer: rows of the base model", [](auto& t) { t.rows[0].base_rows = 2; }},
      {"w1: base model: expected one, found none", [](auto& t) { t.rows[1].has_base = false; }},
      {"w0: shape scale: expected", [](auto& t) { t.rows[0].multiplier *= 2; }},
      {"w6: adjust_lr: expected original, found none",
       [](auto& t) { t.rows[6].resolved.adjust_lr = Scale::none; }},
      {"w6: option momentum: expected 0.95",
       [&](auto& t) { t.rows[6].resolved.rule = other.rows[6].resolved.rule; }},
      {"w6: transform blocking size: expected",
       [&](auto& t) { t.rows[6].resolved.transforms = other.rows[6].resolved.transforms; }},
      {"w3: tensor of the route: expected w3, found w4",
       [](auto& t) { std::swap(t.rows[3], t.rows[4]); }},
  };
  for (const auto& one : all) {
    Routed routed(options, true);
    ASSERT_EQ(routed.line(), "");
    one.spoil(routed.table);
    EXPECT_MENTIONS(routed.line(), one.expected);
  }
}

// A rule of somebody's own: its file alone says what it is, and that is said.
TEST(AuditRoutes, WhatIsNotOfTheCatalogueIsLeftOpen) {
  Routed routed([] {
    RoutingOptions options;
    options.preset = "sgd";
    return options;
  }());
  routed.options.preset = "somebodys";
  const auto report = routed.report();
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.judged(), 0);
  EXPECT_MENTIONS(report.checks.front().to_line(), "not judged");
}

}  // namespace
}  // namespace muonflow::optim
