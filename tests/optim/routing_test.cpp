#include "muonflow/optim/routing.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

// A small transformer's parameters, without buffers: routing looks at names, shapes and roles.
std::vector<Parameter<float>> network() {
  return {{.name = "wte.weight", .shape = {65, 32}, .role = Role::embedding},
          {.name = "h.0.ln_1.weight", .shape = {32}, .role = Role::norm},
          {.name = "h.0.attn.c_attn.weight", .shape = {96, 32}},
          {.name = "h.0.attn.c_attn.bias", .shape = {96}, .role = Role::bias},
          {.name = "h.0.mlp.c_fc.weight", .shape = {128, 32}},
          {.name = "h.0.moe.experts", .shape = {4, 64, 32}},
          {.name = "h.0.moe.router", .shape = {4, 32}, .role = Role::router},
          {.name = "patch.weight", .shape = {32, 3, 4, 4}, .role = Role::convolution},
          {.name = "lm_head.weight", .shape = {65, 32}, .role = Role::head}};
}

const Route& row_of(const RoutingTable& table, const std::string& name) {
  for (const auto& row : table.rows) {
    if (row.tensor == name) return row;
  }
  throw std::out_of_range(name);
}

std::string refusal(const RoutingOptions& options,
                    const std::vector<Parameter<float>>& parameters = network()) {
  return message_of<ConfigError>([&] { route(parameters, options); });
}

TEST(Routing, PresetSplitsHiddenMatricesFromTheRest) {
  RoutingOptions options;
  options.hidden.lr = 0.02;
  options.other = {.lr = 3e-4, .weight_decay = 0.1};
  const auto table = route(network(), options);
  ASSERT_EQ(table.rows.size(), 9u);
  for (const auto* name :
       {"h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight", "h.0.moe.experts", "patch.weight"}) {
    EXPECT_EQ(row_of(table, name).rule, "muon") << name;
    EXPECT_EQ(row_of(table, name).lr, 0.02);
    EXPECT_EQ(row_of(table, name).weight_decay, 0);
  }
  for (const auto* name : {"wte.weight", "h.0.ln_1.weight", "h.0.attn.c_attn.bias",
                           "h.0.moe.router", "lm_head.weight"}) {
    EXPECT_EQ(row_of(table, name).rule, "adamw") << name;
    EXPECT_EQ(row_of(table, name).lr, 3e-4);
    EXPECT_EQ(row_of(table, name).weight_decay, 0.1);
  }
  EXPECT_EQ(row_of(table, "wte.weight").reason, "role embedding");
  EXPECT_DOUBLE_EQ(row_of(table, "h.0.mlp.c_fc.weight").multiplier, 2);  // sqrt(128 / 32)
  EXPECT_EQ(row_of(table, "h.0.moe.experts").reason, "stack of 4 matrices [64, 32]");
  EXPECT_EQ(row_of(table, "patch.weight").reason, "convolution as [32, 48]");
}

TEST(Routing, AnyTwoRulesMakeAPreset) {
  for (const auto* preset : {"regularized_muon+sgd", "muon.moonlight+adamw", "sgd+adamw"}) {
    RoutingOptions options;
    options.preset = preset;
    const auto table = route(network(), options);
    const std::string text = preset;
    EXPECT_EQ(row_of(table, "h.0.mlp.c_fc.weight").rule, text.substr(0, text.find('+')));
    EXPECT_EQ(row_of(table, "wte.weight").rule, text.substr(text.find('+') + 1));
  }
}

// torch.optim.Adam by its name: adamw with L2 decay.
TEST(Routing, AdamIsAName) {
  RoutingOptions options;
  options.preset = "muon+adam";
  const auto table = route(network(), options);
  EXPECT_EQ(row_of(table, "wte.weight").rule, "adam");
  EXPECT_EQ(row_of(table, "wte.weight").resolved.rule->info().name, "adamw");
  EXPECT_EQ(row_of(table, "wte.weight").resolved.decay, Decay::coupled);
}

// Shapes whose matrix is none to a spectral rule, each with its reason.
TEST(Routing, KeepsDegenerateTensorsFromMatrixRules) {
  const std::vector<Parameter<float>> odd{
      {.name = "depthwise", .shape = {64, 1, 3, 3}, .role = Role::convolution},
      {.name = "position", .shape = {1, 16, 32}},
      {.name = "pointwise", .shape = {64, 32, 1, 1}, .role = Role::convolution},
      {.name = "experts", .shape = {4, 16, 32}},
      {.name = "flat experts", .shape = {4, 2, 32}}};
  const auto table = route(odd, RoutingOptions{});
  const auto got = [&](const char* name) {
    const auto& row = row_of(table, name);
    return row.rule + ": " + row.reason;
  };
  EXPECT_EQ(got("depthwise"), "adamw: depthwise convolution");
  EXPECT_EQ(got("position"), "adamw: leading dimension of 1");
  EXPECT_EQ(got("pointwise"), "muon: convolution as [64, 32]");
  EXPECT_EQ(got("experts"), "muon: stack of 4 matrices [16, 32]");
  EXPECT_EQ(got("flat experts"), "adamw: [2, 32] has a dimension below 4");
}

TEST(Routing, GroupsAlone) {
  RoutingOptions options;
  options.preset = "";
  options.groups = {{.rule = "sgd", .roles = {"norm", "bias", "router"}},
                    {.rule = "muon", .roles = {"hidden", "convolution"}},
                    {.rule = "adamw", .roles = {"embedding"}}};
  EXPECT_MENTIONS(refusal(options), "lm_head.weight: no rule for this parameter");
  EXPECT_MENTIONS(refusal(options), "found role head");
  options.groups.back().roles.emplace_back("head");
  const auto table = route(network(), options);
  EXPECT_EQ(row_of(table, "lm_head.weight").rule, "adamw");
  EXPECT_EQ(row_of(table, "h.0.mlp.c_fc.weight").rule, "muon");
}

TEST(Routing, FusedPartsAndHeadsAreMatrices) {
  RoutingOptions options;
  options.groups = {{.patterns = {"*c_attn.weight"}, .split_sizes = {32, 32, 32}, .num_heads = 4}};
  const auto table = route(network(), options);
  const auto& row = row_of(table, "h.0.attn.c_attn.weight");
  EXPECT_EQ(row.rule, "muon");
  EXPECT_EQ(row.multiplier, 1) << "of [8, 32]";
  EXPECT_EQ(row.reason, "hidden matrix; name matches *c_attn.weight; 12 matrices [8, 32]");
  options.groups[0].num_heads = 5;
  EXPECT_MENTIONS(refusal(options), "h.0.attn.c_attn.weight, optimizer.groups[0]: num_heads 5");
}

TEST(Routing, OneRuleTakesEverything) {
  RoutingOptions options;
  options.preset = "adamw";
  for (const auto& row : route(network(), options).rows) EXPECT_EQ(row.rule, "adamw");
  options.preset = "muon";
  EXPECT_MENTIONS(refusal(options), "h.0.ln_1.weight: rule 'muon' takes matrices");
  EXPECT_MENTIONS(refusal(options), "found [32]");
}

TEST(Routing, KeepsExtremeMatricesFromMatrixRules) {
  const std::vector<Parameter<float>> odd{{.name = "long", .shape = {4, 516}},
                                          {.name = "just", .shape = {4, 512}},
                                          {.name = "thin", .shape = {3, 30}}};
  const auto table = route(odd, RoutingOptions{});
  EXPECT_EQ(row_of(table, "long").rule, "adamw");
  EXPECT_EQ(row_of(table, "long").reason, "[4, 516] has an aspect beyond 128");
  EXPECT_EQ(row_of(table, "just").rule, "muon");
  EXPECT_EQ(row_of(table, "thin").reason, "[3, 30] has a dimension below 4");
  RoutingOptions loose;
  loose.max_aspect = 1000;
  loose.min_dim = 1;
  for (const auto& row : route(odd, loose).rows) EXPECT_EQ(row.rule, "muon");
  RoutingOptions elementwise;  // an elementwise first rule has nothing to fear
  elementwise.preset = "sgd+adamw";
  for (const auto& row : route(odd, elementwise).rows) EXPECT_EQ(row.rule, "sgd");
}

TEST(Routing, GroupsComeFirst) {
  RoutingOptions options;
  options.groups = {{.rule = "regularized_muon",
                     .options = OptionsTree(R"({"epsilon": 0.5})"),
                     .lr = 0.5,
                     .adjust_lr = Scale::spectral,
                     .patterns = {"*.c_fc.weight"}},
                    {.lr = 0.125, .roles = {"norm", "bias"}}};
  const auto table = route(network(), options);
  const auto& fc = row_of(table, "h.0.mlp.c_fc.weight");
  EXPECT_EQ(fc.rule, "regularized_muon");
  EXPECT_EQ(fc.lr, 0.5);
  EXPECT_DOUBLE_EQ(fc.multiplier, 2);
  EXPECT_EQ(fc.reason, "name matches *.c_fc.weight");
  // A group without a rule changes what the preset gives.
  const auto& bias = row_of(table, "h.0.attn.c_attn.bias");
  EXPECT_EQ(bias.rule, "adamw");
  EXPECT_EQ(bias.lr, 0.125);
  EXPECT_EQ(row_of(table, "wte.weight").lr, 1e-3);
}

TEST(Routing, GroupAndPresetOptionsMerge) {
  RoutingOptions options;
  options.hidden.options = OptionsTree(R"({"momentum": 0.5, "ns_steps": 3})");
  options.groups = {{.options = OptionsTree(R"({"ns_steps": 7})"), .patterns = {"*c_fc*"}}};
  const auto table = route(network(), options);
  const auto own = [&](const char* name) {
    return fields_to_json([&](FieldVisitor& v) {
      const_cast<AnyRule&>(*row_of(table, name).resolved.rule).fields(v);
    });
  };
  EXPECT_EQ(own("h.0.mlp.c_fc.weight")["ns_steps"], 7);
  EXPECT_EQ(own("h.0.mlp.c_fc.weight")["momentum"], 0.5);
  EXPECT_EQ(own("h.0.attn.c_attn.weight")["ns_steps"], 3);
}

// A group that names no rule takes the preset's transforms, but for those it goes without.
TEST(Routing, GroupsCanGoWithoutATransform) {
  RoutingOptions options;
  options.hidden.transforms.blocking.size = 16;
  options.hidden.transforms.cautious.updates = true;
  options.hidden.transforms.grafting.rule = "adamw";
  options.momentum_warmup = {.start = 0.85, .steps = 300};
  options.groups = {
      {.without = {"blocking", "grafting"}, .patterns = {"*c_fc*"}},
      {.without = {"momentum_warmup", "cautious"}, .patterns = {"*c_attn.weight"}},
      {.rule = "sgd", .without = {"momentum_warmup"}, .roles = {"norm"}},
      {.transforms = {.blocking = {.size = 8}}, .without = {"blocking"}, .patterns = {"*experts"}}};
  const auto table = route(network(), options);
  const auto& fc = row_of(table, "h.0.mlp.c_fc.weight");
  EXPECT_FALSE(fc.resolved.transforms.blocking.size.has_value());
  EXPECT_EQ(fc.resolved.graft, nullptr);
  EXPECT_TRUE(fc.resolved.transforms.cautious.updates);
  EXPECT_EQ(fc.momentum_warmup.steps, 300);
  const auto& attention = row_of(table, "h.0.attn.c_attn.weight");
  EXPECT_EQ(attention.resolved.transforms.blocking.size, 16);
  EXPECT_FALSE(attention.resolved.transforms.cautious.updates);
  EXPECT_EQ(attention.momentum_warmup.steps, 0);
  EXPECT_EQ(row_of(table, "h.0.ln_1.weight").momentum_warmup.steps, 0);
  EXPECT_EQ(row_of(table, "wte.weight").momentum_warmup.steps, 300);
  EXPECT_EQ(row_of(table, "h.0.moe.experts").resolved.transforms.blocking.size, 8)
      << "one of its own";
  EXPECT_EQ(row_of(table, "patch.weight").resolved.transforms.blocking.size, 16);

  options.groups = {{.without = {"graftin"}, .patterns = {"*c_fc*"}}};
  EXPECT_MENTIONS(refusal(options), "optimizer.groups[0].without: unknown transform 'graftin'");
  EXPECT_MENTIONS(refusal(options), "did you mean 'grafting'?");
  options.groups = {{.rule = "sgd", .without = {"grafting"}, .patterns = {"*c_fc*"}}};
  EXPECT_MENTIONS(refusal(options), "a group with a rule of its own inherits no grafting");
  options.groups.clear();
  options.hidden.without = {"grafting"};
  EXPECT_MENTIONS(refusal(options), "optimizer.hidden: without does not belong here");
}

// Every kind of tensor that is no matrix to a spectral rule goes to the second rule with its
// reason, whichever spectral rule it is.
TEST(Routing, SpectralRulesGetMatricesAlone) {
  auto tensors = network();
  tensors.push_back({.name = "depthwise", .shape = {64, 1, 3, 3}, .role = Role::convolution});
  tensors.push_back({.name = "extreme", .shape = {4, 1024}});
  const std::vector<std::pair<std::string, std::string>> reasons{
      {"wte.weight", "role embedding"},
      {"lm_head.weight", "role head"},
      {"h.0.moe.router", "role router"},
      {"h.0.ln_1.weight", "role norm"},
      {"h.0.attn.c_attn.bias", "role bias"},
      {"depthwise", "depthwise convolution"},
      {"extreme", "[4, 1024] has an aspect beyond 128"}};
  for (const auto& entry : rules().all()) {
    if (entry.info.takes != Takes::matrices || entry.name.starts_with("toy_")) continue;
    RoutingOptions options;
    options.preset = entry.name + "+adamw";
    const auto table = route(tensors, options);
    const auto text = table.to_text();
    for (const auto& [name, reason] : reasons) {
      EXPECT_EQ(row_of(table, name).rule, "adamw") << entry.name;
      EXPECT_EQ(row_of(table, name).reason, reason);
      EXPECT_MENTIONS(text, reason);
    }
    EXPECT_EQ(row_of(table, "h.0.mlp.c_fc.weight").rule, entry.name);
  }
}

TEST(Routing, EachParameterHasOneRule) {
  RoutingOptions twice;
  twice.groups = {{.rule = "sgd", .patterns = {"wte*"}}, {.rule = "adamw", .roles = {"embedding"}}};
  EXPECT_MENTIONS(refusal(twice), "wte.weight: two rules for one parameter");
  EXPECT_MENTIONS(refusal(twice), "optimizer.groups[0] and optimizer.groups[1]");
  auto same = network();
  same.push_back(same[0]);
  EXPECT_MENTIONS(refusal({}, same), "wte.weight: two parameters have this name");
  RoutingOptions none;
  none.preset = "muon+";
  EXPECT_MENTIONS(refusal(none), "optimizer.preset: expected RULE or RULE+RULE");
  none.preset = "";
  EXPECT_MENTIONS(refusal(none), "optimizer.preset");
  none.preset = "muon+adamw+sgd";
  EXPECT_MENTIONS(refusal(none), "optimizer.preset");
}

TEST(Routing, RefusesMistakes) {
  RoutingOptions options;
  options.groups = {{.rule = "sgd", .patterns = {"*.c_proj.*"}}};
  EXPECT_MENTIONS(refusal(options), "optimizer.groups[0]: no parameter matches");
  options.groups = {{.rule = "sgd"}};
  EXPECT_MENTIONS(refusal(options), "needs patterns or roles");
  options.groups = {{.rule = "sgd", .roles = {"embeding"}}};
  EXPECT_MENTIONS(refusal(options), "did you mean 'embedding'?");
  options.groups = {{.rule = "sdg", .roles = {"norm"}}};
  EXPECT_MENTIONS(refusal(options), "optimizer.groups[0].rule: unknown rule 'sdg'");
  options.groups = {{.rule = "muon", .roles = {"norm"}}};
  EXPECT_MENTIONS(refusal(options), "rule 'muon' takes matrices");
  options.groups = {{.rule = "toy_weights", .adjust_lr = Scale::none, .patterns = {"*c_fc*"}}};
  EXPECT_MENTIONS(refusal(options), "optimizer.groups[0].adjust_lr");
  options.groups = {
      {.rule = "muon", .options = OptionsTree(R"({"momentm": 1})"), .patterns = {"*c_fc*"}}};
  EXPECT_MENTIONS(refusal(options), "optimizer.groups[0].options.momentm");
  options.groups = {{.patterns = {"*c_attn.weight"}, .split_sizes = {32, 32}}};
  EXPECT_MENTIONS(refusal(options), "h.0.attn.c_attn.weight, optimizer.groups[0]: split_sizes");
  options.groups.clear();
  options.hidden.patterns = {"*"};
  EXPECT_MENTIONS(refusal(options), "optimizer.hidden: patterns and roles do not belong here");
  EXPECT_MENTIONS(
      message_of<ShapeError>([] {
        route(std::vector<Parameter<float>>{{.name = "e", .shape = {3, 0}}}, RoutingOptions{});
      }),
      "e: parameter: expected rank 1 to 4");
}

TEST(Routing, SaysTheLineOfAConfigurationFile) {
  const auto config = Config::from_text(
      "[optimizer]\npreset = \"muon+adamw\"\n[optimizer.hidden]\nlr = 0.02\n"
      "options = { momentm = 0.9 }\n",
      "run.toml");
  RoutingOptions options;
  read(config.tree()["optimizer"], options, config.place_of(), "optimizer");
  EXPECT_EQ(options.hidden.lr, 0.02);
  EXPECT_MENTIONS(message_of<ConfigError>([&] { route(network(), options, config.place_of()); }),
                  "run.toml:5: optimizer.hidden.options.momentm");
}

// What the parameters show is said with the file too, where there is one.
TEST(Routing, SaysTheLineAndTheParameter) {
  const auto refused = [](const std::string& text) {
    const auto config = Config::from_text("[optimizer]\n" + text, "run.toml");
    RoutingOptions options;
    read(config.tree()["optimizer"], options, config.place_of(), "optimizer");
    return message_of<ConfigError>([&] { route(network(), options, config.place_of()); });
  };
  EXPECT_MENTIONS(refused("preset = \"muon\"\n"),
                  "run.toml:2: optimizer.preset: h.0.ln_1.weight: rule 'muon' takes matrices");
  EXPECT_MENTIONS(refused("[optimizer.other]\nrule = \"kaon\"\n"),
                  "run.toml:3: optimizer.other.rule: h.0.ln_1.weight: rule 'kaon' takes matrices");
  EXPECT_MENTIONS(refused("[[optimizer.groups]]\npatterns = [\"*.c_attn.weight\"]\n"
                          "split_sizes = [32, 32]\n"),
                  "run.toml:2: optimizer.groups[0]: h.0.attn.c_attn.weight: split_sizes [32, 32]");
  const std::string norms = "[[optimizer.groups]]\nroles = [\"norm\"]\nrule = \"sgd\"\n";
  EXPECT_MENTIONS(refused(norms + norms),
                  "h.0.ln_1.weight: two rules for one parameter: expected one group that names it, "
                  "found run.toml:2: optimizer.groups[0] and run.toml:5: optimizer.groups[1]");
  EXPECT_MENTIONS(refused("preset = \"\"\n" + norms), "wte.weight: no rule for this parameter");
}

TEST(Routing, ReadsAndWritesEveryField) {
  RoutingOptions options;
  options.groups = {{.rule = "sgd", .lr = 0.5, .patterns = {"a*"}, .split_sizes = {1, 2}}};
  options.clip.max_norm = 1.5;
  options.qk_clip.threshold = 30;
  options.non_finite = NonFinite::tensor;
  const auto tree = to_json(options);
  RoutingOptions back;
  read(tree, back);
  EXPECT_EQ(to_json(back), tree);
  EXPECT_EQ(back.groups.at(0).patterns, std::vector<std::string>{"a*"});
  EXPECT_EQ(back.clip.max_norm, 1.5);
  EXPECT_EQ(back.qk_clip.threshold, 30);
}

TEST(Matrices, FollowTheLayout) {
  const auto sizes = [](const std::vector<MatrixShape>& all) {
    std::vector<std::pair<Index, Index>> pairs;
    for (const auto& m : all) pairs.emplace_back(m.rows, m.cols);
    return pairs;
  };
  using Sizes = std::vector<std::pair<Index, Index>>;
  const auto automatic = Layout::automatic;
  EXPECT_EQ(sizes(matrices_of({7}, Role::bias, automatic)), (Sizes{{1, 7}}));
  EXPECT_EQ(sizes(matrices_of({3, 5}, Role::hidden, Layout::stack)), (Sizes{{3, 5}}));
  EXPECT_EQ(sizes(matrices_of({8, 4, 3, 3}, Role::convolution, automatic)), (Sizes{{8, 36}}));
  EXPECT_EQ(sizes(matrices_of({2, 4, 6}, Role::hidden, automatic)), (Sizes{{4, 6}, {4, 6}}));
  EXPECT_EQ(sizes(matrices_of({2, 4, 6}, Role::hidden, Layout::conv)), (Sizes{{2, 24}}));
  EXPECT_EQ(sizes(matrices_of({2, 2, 4, 6}, Role::hidden, Layout::stack)),
            (Sizes{{4, 6}, {4, 6}, {4, 6}, {4, 6}}));
  EXPECT_EQ(sizes(matrices_of({6, 4}, Role::hidden, automatic, {2, 4})), (Sizes{{2, 4}, {4, 4}}));
  EXPECT_EQ(sizes(matrices_of({6, 4}, Role::hidden, automatic, {}, 3)),
            (Sizes{{2, 4}, {2, 4}, {2, 4}}));
  // Two query heads and one key and one value head, all of two rows.
  EXPECT_EQ(sizes(matrices_of({8, 4}, Role::hidden, automatic, {4, 2, 2}, 2)),
            (Sizes{{2, 4}, {2, 4}, {2, 4}, {2, 4}}));
  EXPECT_MENTIONS(message_of<ConfigError>([&] {
                    matrices_of({2, 3, 4}, Role::hidden, automatic, {}, 2);
                  }),
                  "num_heads 2: expected a matrix");
}

TEST(Patterns, MatchStarsAndQuestionMarks) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*.weight", "h.0.weight"));
  EXPECT_TRUE(matches("h.?.mlp.*", "h.3.mlp.c_fc.weight"));
  EXPECT_TRUE(matches("*a*b", "aab-ab"));
  EXPECT_FALSE(matches("h.?.mlp", "h.12.mlp"));
  EXPECT_FALSE(matches("*.weight", "h.0.weights"));
  EXPECT_FALSE(matches("", "a"));
}

// What is told before the first step is what a step counts.
TEST(RoutingTable, KnowsTheBytesOfMessages) {
  Owned<> w("w", {48, 16}), stack("stack", {3, 8, 5}), b("b", {7}, Role::bias);
  for (const auto kind : {Compressor::identity, Compressor::top_k, Compressor::low_rank,
                          Compressor::sign, Compressor::int8}) {
    RoutingOptions options;
    options.groups = {{.patterns = {"w"}, .split_sizes = {16, 16, 16}, .num_heads = 2}};
    for (auto* group : {&options.hidden, &options.other}) {
      group->transforms.error_feedback = {.on = true, .compression = {.kind = kind}};
    }
    Optimizer<double> optimizer({w.parameter, stack.parameter, b.parameter}, options, 1);
    const auto told = optimizer.routing().messages(sizeof(double));
    EXPECT_EQ(optimizer.step().message_bytes, static_cast<std::int64_t>(told.bytes));
    EXPECT_EQ(told.plain, (48 * 16 + 3 * 8 * 5 + 7) * sizeof(double));
    if (kind == Compressor::identity) {
      EXPECT_EQ(told.bytes, told.plain);
    } else {
      EXPECT_LT(told.bytes, told.plain);
    }
  }
  EXPECT_EQ(route(network(), RoutingOptions{}).messages(4).bytes, 0u);
}

TEST(RoutingTable, PrintsOneLineATensor) {
  const auto text = route(network(), RoutingOptions{}).to_text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  for (const auto* part : {"tensor", "shape", "role", "rule", "learning rate", "multiplier",
                           "reason", "[96, 32]", "embedding", "convolution as [32, 48]"}) {
    EXPECT_MENTIONS(text, part);
  }
}

}  // namespace
}  // namespace muonflow::optim
