#include "muonflow/optim/transfer.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

constexpr double kIn = 4, kOut = 2, kDepth = 3;
constexpr Index kBaseRows = 64, kBaseCols = 32;

// A matrix of a model that is kIn, kOut times wider on each side and kDepth times deeper.
Route routed(const std::string& rule, const std::string& options = "{}",
             const Transforms& transforms = {}, Role role = Role::hidden) {
  RoutingOptions routing;
  routing.preset = rule;
  routing.hidden.options = OptionsTree(options);
  routing.hidden.transforms = transforms;
  const std::vector<Parameter<double>> one{
      {.name = "w",
       .shape = {Index(kOut) * kBaseRows, Index(kIn) * kBaseCols},
       .role = role,
       .base_shape = {kBaseRows, kBaseCols},
       .depth_ratio = kDepth}};
  return route(one, routing).rows.front();
}
Multipliers of(const std::string& rule, const std::string& options = "{}",
               const Transforms& transforms = {}, Role role = Role::hidden) {
  const auto row = routed(rule, options, transforms, role);
  auto by = row.transfer;
  // What the rule itself asks for, whatever shape scale it has by default.
  by.lr = row.transfer_lr;
  return by;
}
Transforms blocks(std::int64_t size) {
  Transforms all;
  all.blocking.size = size;
  return all;
}

// The table of arXiv:2512.05620's code; sizes and numbers of blocks are ratios to the base model.
TEST(Transfer, PublishedLearningRates) {
  EXPECT_DOUBLE_EQ(of("adamw").lr, 1 / kIn);
  EXPECT_DOUBLE_EQ(of("adamuon", R"({"sign_input": false})").lr, 1 / kIn);
  EXPECT_DOUBLE_EQ(of("shampoo", R"({"grafting": "adam"})").lr, 1 / kIn);
  EXPECT_DOUBLE_EQ(of("muon").lr, std::sqrt(kOut / kIn));
  EXPECT_DOUBLE_EQ(of("sgd").lr, kOut / kIn * kDepth);
  for (const double k : {0.25, 0.5, 0.3}) {
    const auto options = R"({"grafting": "none", "k": )" + std::to_string(k);
    for (const bool one : {false, true}) {
      const double E = one ? k : 2 * k;
      const double whole = std::pow(kDepth, 1 - 2 * E) * std::pow(kOut / kIn, 1 - E);
      const auto sided = options + (one ? R"(, "one_sided": "left")" : "");
      EXPECT_NEAR(of("shampoo", sided + "}").lr, whole, 1e-12) << k;
      EXPECT_NEAR(of("shampoo", sided + R"(, "block_size": 16})").lr,
                  whole * std::pow(kIn * kOut, -E), 1e-12)
          << k;
    }
  }
  EXPECT_DOUBLE_EQ(of("soap").lr, std::sqrt(kOut / kIn));
  EXPECT_DOUBLE_EQ(of("soap", "{}", blocks(16)).lr, std::sqrt(kOut / kIn / (kIn * kOut)));
  // One basis, for the side of 16.
  const auto side = [](bool rows) {
    RoutingOptions routing;
    routing.preset = "soap";
    routing.hidden.options = OptionsTree(R"({"max_precond_dim": 16})");
    const Shape shape = rows ? Shape{16, 128} : Shape{128, 16};
    const Shape base = rows ? Shape{16, 32} : Shape{64, 16};
    return route(std::vector<Parameter<double>>{{.name = "w", .shape = shape, .base_shape = base}},
                 routing)
        .rows.front()
        .transfer_lr;
  };
  // In-side alone: (d_in nb_in)^(-1/2) with d_in fixed; out-side alone: sqrt(d_out / nb_out) / d_in
  // with d_out fixed.
  EXPECT_DOUBLE_EQ(side(false), 1);
  EXPECT_DOUBLE_EQ(side(true), 1 / kIn);
  Transforms spectral;
  spectral.spectral_normalization.kind = NormKind::spectral;
  EXPECT_DOUBLE_EQ(routed("soap", "{}", spectral).step_multiplier(128, 128),
                   std::sqrt(128.0 / 128.0))
      << "explicit spectral normalization has the right size already";
  EXPECT_DOUBLE_EQ(routed("soap", "{}", spectral).transfer.lr, 1);
}

TEST(Transfer, PublishedEpsilons) {
  EXPECT_DOUBLE_EQ(of("adamw").epsilon, 1 / (kOut * kDepth));
  EXPECT_DOUBLE_EQ(of("muon").epsilon, std::sqrt(kIn / kOut) / kDepth);
  EXPECT_DOUBLE_EQ(of("soap").epsilon, std::sqrt(kIn / kOut) / kDepth);
  EXPECT_DOUBLE_EQ(of("soap", "{}", blocks(16)).epsilon,
                   std::sqrt(kIn / kOut / (kIn * kOut)) / kDepth);
  EXPECT_EQ(of("shampoo").epsilon, 1) << "relative to the largest eigenvalue";
}

TEST(Transfer, EpsilonReachesTheRule) {
  const auto row = routed("adamw", R"({"eps": 0.5})");
  const auto values =
      fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(*row.resolved.rule).fields(v); });
  EXPECT_DOUBLE_EQ(values["eps"], 0.5 / (kOut * kDepth));
  EXPECT_EQ(values["betas"][0], 0.9);
}

TEST(Transfer, GraftingHasTheSizeOfItsRule) {
  Transforms grafted;
  grafted.grafting.rule = "adamw";
  grafted.grafting.options = OptionsTree(R"({"eps": 0.5})");
  const auto row = routed("muon", "{}", grafted);
  EXPECT_DOUBLE_EQ(row.transfer_lr, 1 / kIn);
  const auto values =
      fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(*row.resolved.graft).fields(v); });
  EXPECT_DOUBLE_EQ(values["eps"], 0.5 / (kOut * kDepth));
}

// Table 3 of arXiv:2203.03466 for Adam and SGD: embeddings, vectors and heads.
TEST(Transfer, Roles) {
  const auto lr = [](const std::string& rule, const Shape& shape, const Shape& base, Role role) {
    RoutingOptions routing;
    routing.preset = rule;
    const std::vector<Parameter<double>> one{
        {.name = "w", .shape = shape, .role = role, .base_shape = base}};
    return route(one, routing).rows.front().transfer.lr;
  };
  EXPECT_DOUBLE_EQ(lr("adamw", {100, 64}, {100, 16}, Role::embedding), 1);
  EXPECT_DOUBLE_EQ(lr("adamw", {100, 64}, {100, 16}, Role::head), 0.25);
  EXPECT_DOUBLE_EQ(lr("adamw", {64}, {16}, Role::norm), 1);
  EXPECT_DOUBLE_EQ(lr("sgd", {100, 64}, {100, 16}, Role::embedding), 4);
  EXPECT_DOUBLE_EQ(lr("sgd", {100, 64}, {100, 16}, Role::head), 0.25);
  EXPECT_DOUBLE_EQ(lr("sgd", {64}, {16}, Role::bias), 4);
  EXPECT_DOUBLE_EQ(lr("normalized_sgd", {64}, {16}, Role::bias), 2);
}

// Whatever the shape scale, a step is that of the base model times the multiplier.
TEST(Transfer, StandsBesideTheShapeScale) {
  for (const auto scale : {Scale::none, Scale::original, Scale::match_rms_adamw, Scale::spectral}) {
    RoutingOptions routing;
    routing.preset = "muon";
    routing.hidden.adjust_lr = scale;
    const std::vector<Parameter<double>> one{
        {.name = "w", .shape = {128, 128}, .base_shape = {64, 32}}};
    const auto row = route(one, routing).rows.front();
    const std::vector<Parameter<double>> base{{.name = "w", .shape = {64, 32}}};
    const auto base_row = route(base, routing).rows.front();
    EXPECT_DOUBLE_EQ(row.multiplier * row.transfer.lr, base_row.multiplier * std::sqrt(kOut / kIn));
    EXPECT_DOUBLE_EQ(row.step_multiplier(128, 128), row.multiplier * row.transfer.lr);
  }
}

TEST(Transfer, WeightDecay) {
  RoutingOptions routing;
  routing.preset = "adamw";
  routing.hidden.weight_decay = 0.1;
  const std::vector<Parameter<double>> one{
      {.name = "w", .shape = {128, 128}, .base_shape = {32, 32}, .depth_ratio = 2},
      {.name = "head", .shape = {10, 128}, .role = Role::head, .base_shape = {10, 32}}};
  auto table = route(one, routing);
  EXPECT_DOUBLE_EQ(table.rows[0].weight_decay, 0.1 / 4);
  EXPECT_DOUBLE_EQ(table.rows[1].weight_decay, 0.1 / 4);
  routing.transfer.weight_decay = DecayTransfer::constant;
  EXPECT_DOUBLE_EQ(route(one, routing).rows[0].weight_decay, 0.1);
  routing.preset = "sgd";  // coupled: a part of the gradient, which has 1 / depth
  EXPECT_DOUBLE_EQ(route(one, routing).rows[0].weight_decay, 0.1 / 2);
  EXPECT_DOUBLE_EQ(route(one, routing).rows[1].weight_decay, 0.1 * 4);
}

TEST(Transfer, NothingWithoutABase) {
  RoutingOptions routing;
  const auto table = route(
      std::vector<Parameter<double>>{{.name = "w", .shape = {128, 32}},
                                     {.name = "same", .shape = {64, 64}, .base_shape = {64, 64}}},
      routing);
  EXPECT_FALSE(table.rows[0].has_base);
  EXPECT_EQ(table.rows[0].transfer, Multipliers{});
  EXPECT_EQ(table.rows[0].step_multiplier(128, 32), 2);
  EXPECT_EQ(table.rows[1].transfer, Multipliers{});
}

TEST(Transfer, TableShowsIt) {
  RoutingOptions routing;
  routing.other.weight_decay = 0.1;
  const std::vector<Parameter<double>> all{
      {.name = "w", .shape = {64, 64}, .base_shape = {16, 16}},
      {.name = "head", .shape = {10, 64}, .role = Role::head, .base_shape = {10, 16}},
      {.name = "alone", .shape = {8, 8}}};
  const auto text = route(all, routing).to_text();
  EXPECT_MENTIONS(text, "transfer");
  EXPECT_MENTIONS(text, "lr 1, init 0.5");
  EXPECT_MENTIONS(text, "lr 0.25, decay 0.25, init 0.25");
  const auto plain =
      route(std::vector<Parameter<double>>{{.name = "alone", .shape = {8, 8}}}, routing).to_text();
  EXPECT_EQ(plain.find("transfer"), std::string::npos) << plain;
}

TEST(Transfer, RefusesWhatDoesNotFit) {
  const auto refusal = [](const Parameter<double>& parameter, const std::string& rule) {
    RoutingOptions routing;
    routing.preset = rule;
    return message_of<ConfigError>([&] { route(std::vector{parameter}, routing); });
  };
  EXPECT_MENTIONS(refusal({.name = "w", .shape = {8, 8}, .base_shape = {8}}, "sgd"),
                  "w, optimizer.hidden: base shape");
  EXPECT_MENTIONS(refusal({.name = "w", .shape = {8, 8}, .base_shape = {8, 0}}, "sgd"),
                  "base shape");
  EXPECT_MENTIONS(
      refusal({.name = "w", .shape = {8, 8}, .base_shape = {4, 4}, .depth_ratio = 0}, "sgd"),
      "depth ratio 0");
  EXPECT_MENTIONS(refusal({.name = "w", .shape = {8, 8}, .base_shape = {4, 4}}, "toy_weights"),
                  "does not say how its steps go with width");
}

TEST(TransferText, IsAFractionOfFans) {
  EXPECT_EQ(to_text({.family = "a", .step = {.gradient = 1}}), "lr out depth / in");
  EXPECT_EQ(to_text({.family = "a"}), "lr sqrt(out / in)");
  EXPECT_EQ(to_text({.family = "a", .step = {.rows = 0.5, .cols = -0.5}}), "lr 1");
  EXPECT_EQ(to_text({.family = "a",
                     .step = {.rows = 0.5, .cols = 0.5},
                     .epsilon_option = "eps",
                     .epsilon = {.gradient = 1, .rows = -0.5, .cols = -0.5}}),
            "lr 1 / in, eps 1 / (out depth)");
  EXPECT_EQ(to_text({}), "");
  EXPECT_EQ(regime_text({}), "any batch rank");
  EXPECT_EQ(regime_text({.beyond = -0.5, .note = "b"}),
            "batch rank below the width; beyond, steps go with width^-0.5; b");
}

}  // namespace
}  // namespace muonflow::optim
