// Hyperparameter transfer as a law: one step at initialization moves the pre-activations of a layer
// by an amount that does not depend on the width, for every rule.
//
// Three layers, 16 inputs -> n -> n -> 16 outputs with tanh between them, initialized by
// initial_scale, a batch of 8 examples: the rank of every gradient is at most 8, below the smallest
// width. Each layer's weights take one step of the rule, and what is measured is the root mean
// square over units and examples of (dW h): the change that the layer's own weights make. The slope
// of its logarithm against that of n is 0 under transfer; without, it is what the rule's Transfer
// predicts.
//
// Tolerance 0.1: finite widths, and the scatter of 8 singular values over a few draws. Beyond 512
// go the rules whose steps take a few passes, and muon, asgo and dion: a decomposition of 1024 x
// 1024 takes a second. docs/theory/transfer.md has all of them to 1024.
#include <algorithm>
#include <array>
#include <map>

#include "muonflow/core/fans.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

constexpr Index kBatch = 8, kOutside = 16, kBase = 32;
constexpr double kTolerance = 0.1;
constexpr std::size_t kLayers = 3;
constexpr std::array<const char*, kLayers> kLayerNames{"in", "hidden", "out"};
using Logs = std::array<double, kLayers>;

struct Layer {
  Shape shape, base;
  Role role = Role::hidden;
  Matrix<double> W, G, input;  // input [batch, in]
};

// The network of width n with the gradients of half the squared error, mean over the batch.
std::vector<Layer> network(Index n, std::uint64_t seed) {
  std::vector<Layer> net{{{n, kOutside}, {kBase, kOutside}, Role::hidden, {}, {}, {}},
                         {{n, n}, {kBase, kBase}, Role::hidden, {}, {}, {}},
                         {{kOutside, n}, {kOutside, kBase}, Role::head, {}, {}, {}}};
  std::uint64_t stream = 1000 * seed + static_cast<std::uint64_t>(n);
  for (auto& layer : net) {
    const auto in = static_cast<double>(layer.base[1]);
    const double at_base = layer.role == Role::head ? 1 / in : 1 / std::sqrt(in);
    const double scale =
        initial_scale(fan_ratios(layer.shape, layer.base, layer.role), layer.shape, layer.role);
    layer.W =
        random_matrix<double>(layer.shape[0], layer.shape[1], stream += 7919, at_base * scale);
  }
  const auto targets = random_matrix<double>(kBatch, kOutside, 17 + seed);
  Matrix<double> x = random_matrix<double>(kBatch, kOutside, 18 + seed);
  for (std::size_t k = 0; k < kLayers; ++k) {
    net[k].input = x;
    x = net[k].input * net[k].W.transpose();
    if (k + 1 < kLayers) x = x.array().tanh();
  }
  Matrix<double> delta = (x - targets) / static_cast<double>(kBatch);
  for (std::size_t k = kLayers; k-- > 0;) {
    net[k].G = delta.transpose() * net[k].input;
    if (k > 0) {
      delta = (delta * net[k].W).eval();
      delta.array() *= 1 - net[k].input.array().square();
    }
  }
  return net;
}

struct Setting {
  RoutingOptions options{};
  bool base = true;          // base shapes are told
  bool fresh_batch = false;  // where a rule's first step moves nothing, its second has other data
};

std::vector<Parameter<double>> parameters_of(std::vector<Layer>& net, bool base) {
  std::vector<Parameter<double>> all;
  for (std::size_t k = 0; k < kLayers; ++k) {
    all.push_back({.name = kLayerNames[k],
                   .shape = net[k].shape,
                   .weights = net[k].W.data(),
                   .gradient = net[k].G.data(),
                   .role = net[k].role,
                   .base_shape = base ? net[k].base : Shape{}});
  }
  return all;
}

// ln of the root mean square of dW h for each layer, after the first step that moves anything.
Logs changes(const Setting& setting, Index n, std::uint64_t seed) {
  auto net = network(n, seed);
  const auto before = net;
  Optimizer<double> optimizer(parameters_of(net, setting.base), setting.options, seed);
  EXPECT_TRUE(optimizer.step().outcome.ok());
  if (net[0].W == before[0].W) {  // soap
    if (setting.fresh_batch) {
      const auto other = network(n, seed + 1000);
      for (std::size_t k = 0; k < kLayers; ++k) {
        net[k].G = other[k].G;
        net[k].input = other[k].input;
      }
    }
    EXPECT_TRUE(optimizer.step().outcome.ok());
  }
  Logs logs{};
  for (std::size_t k = 0; k < kLayers; ++k) {
    const Matrix<double> change = net[k].input * (net[k].W - before[k].W).transpose();
    logs[k] = std::log(change.norm() / std::sqrt(static_cast<double>(change.size())));
  }
  return logs;
}

// Slope over sizes by least squares, of means over draws of `log_of(size, draw)`.
template <class LogOf>
Logs slope_over(const std::vector<Index>& sizes, const auto& draws_at, const LogOf& log_of) {
  double middle = 0;
  for (const auto n : sizes) middle += std::log(double(n)) / static_cast<double>(sizes.size());
  Logs slope{};
  double square = 0;
  for (const auto n : sizes) {
    const double x = std::log(double(n)) - middle;
    square += x * x;
    const int draws = draws_at(n);
    for (int draw = 0; draw < draws; ++draw) {
      const auto logs = log_of(n, static_cast<std::uint64_t>(draw));
      for (std::size_t k = 0; k < kLayers; ++k) slope[k] += x * logs[k] / draws;
    }
  }
  for (auto& each : slope) each /= square;
  return slope;
}

// Kaon's map scatters singular values over its whole range: more draws, and further apart.
bool scatters(const RoutingOptions& options) { return options.preset == "kaon"; }

Logs slopes(const Setting& setting, std::vector<Index> widths) {
  const bool more = scatters(setting.options);
  if (more && widths.back() == 128) widths = {32, 256};
  const auto draws_at = [&](Index n) {
    if (more) return n > 256 ? 3 : (n > 64 ? 20 : 40);
    return n > 256 ? 1 : (n > 64 ? 3 : 6);
  };
  const auto log_of = [&](Index n, std::uint64_t draw) { return changes(setting, n, draw); };
  return slope_over(widths, draws_at, log_of);
}

RoutingOptions only_with(const std::string& rule, const std::string& options = "{}") {
  RoutingOptions routing;
  routing.preset = rule;
  routing.hidden.lr = 1e-4;
  routing.hidden.options = OptionsTree(options);
  return routing;
}

// Powers of the width in the multipliers, from the routing table.
Logs predicted(const RoutingOptions& options) {
  std::vector<Layer> net = network(kBase, 0);
  for (auto& layer : net) {
    for (auto& size : layer.shape) size = size == kBase ? 4 * kBase : size;
  }
  const auto table = route(parameters_of(net, true), options);
  Logs powers{};
  for (std::size_t k = 0; k < kLayers; ++k) {
    powers[k] = -std::log(table.rows[k].transfer.lr) / std::log(4.0);
  }
  return powers;
}

void expect_near(const Logs& slope, const Logs& expected, const std::string& what) {
  for (std::size_t k = 0; k < kLayers; ++k) {
    EXPECT_NEAR(slope[k], expected[k], kTolerance) << what << ", layer " << kLayerNames[k];
  }
}

class TransferLaw : public RuleLaw {};

TEST_P(TransferLaw, FeaturesMoveAlikeAtEveryWidth) {
  const bool quick = entry().info.products == 0 || has(entry().info.traits, Trait::elementwise) ||
                     GetParam() == "muon" || GetParam() == "asgo" || GetParam() == "dion";
  std::vector<Index> widths{32, 128, 512};
  if (quick) widths.push_back(1024);
  expect_near(slopes({.options = only_with(GetParam())}, widths), {}, "transferred");
}

// Outside of 0.1 wherever the multiplier is one. An epsilon that is not scaled would have a say.
TEST_P(TransferLaw, WithoutItTheyMoveAsPredicted) {
  const auto options =
      only_with(GetParam(), GetParam() == "regularized_muon" ? R"({"epsilon": 1e-6})" : "{}");
  const auto powers = predicted(options);
  const auto slope = slopes({.options = options, .base = false}, {32, 64, 128});
  expect_near(slope, powers, "not transferred");
  for (std::size_t k = 0; k < kLayers; ++k) {
    if (std::abs(powers[k]) >= 0.25) {
      EXPECT_GT(std::abs(slope[k]), kTolerance) << kLayerNames[k];
    }
  }
}

// An epsilon of the size of what it is compared with makes no difference when it moves with it.
TEST_P(TransferLaw, EpsilonMovesWithTheGradient) {
  const auto option = std::string(entry().make()->transfer(kBase, kBase).epsilon_option);
  if (option.empty()) GTEST_SKIP() << "none that is not relative";
  static const std::map<std::string, double> kLoose{{"adamw", 0.1},
                                                    {"dion", 0.1},
                                                    {"normalized_sgd", 0.1},
                                                    {"regularized_muon", 0.1},
                                                    {"soap", 0.1}};
  for (const auto* value : {"0.01", "0.1"}) {
    auto options = only_with(GetParam(), "{\"" + option + "\": " + value + "}");
    expect_near(slopes({.options = options}, {32, 64, 128}), {}, option + " " + value);
    if (!kLoose.contains(GetParam())) continue;  // the size of these steps does not know epsilon
    options.transfer.epsilon = false;
    EXPECT_LT(slopes({.options = options}, {32, 64, 128})[0], value[2] == '1' ? -kTolerance : 0);
  }
}

// A gradient with as many singular values as the matrix has, all of one order: the part of a rank
// that grows with the width. Spread from 0.1 to 1, since five Jordan steps ripple.
TEST_P(TransferLaw, BeyondTheBatchRankTheyMoveAsStated) {
  const auto transfer = entry().make()->transfer(kBase, kBase);
  const auto options = only_with(GetParam());
  const auto log_of = [&](Index n, std::uint64_t draw) {
    Matrix<double> W = random_matrix<double>(n, n, 70 + draw, 1 / std::sqrt(double(n)));
    Matrix<double> G = linalg::qr<double>(random_matrix<double>(n, n, 80 + draw)).q;
    for (Index i = 0; i < n; ++i) G.row(i) *= std::pow(0.1, double(i) / double(n));
    G = (linalg::qr<double>(random_matrix<double>(n, n, 85 + draw)).q * G).eval();
    const Matrix<double> x = random_matrix<double>(n, kBatch, 90 + draw);
    const Matrix<double> before = W;
    Optimizer<double> optimizer({{.name = "w",
                                  .shape = {n, n},
                                  .weights = W.data(),
                                  .gradient = G.data(),
                                  .base_shape = {kBase, kBase}}},
                                options, draw);
    for (int t = 0; t < 2 && W == before; ++t) EXPECT_TRUE(optimizer.step().outcome.ok());
    const Matrix<double> change = (W - before) * x;
    Logs logs{};
    logs.fill(std::log(change.norm() / std::sqrt(static_cast<double>(change.size()))));
    return logs;
  };
  const auto slope = slope_over<>(
      {32, 64, 128}, [](Index) { return 4; }, log_of);
  EXPECT_NEAR(slope[0], transfer.beyond, kTolerance);
}

// A residual stack x <- x + (2 / depth) W tanh(x) of width 32: every layer takes its step, and what
// is measured is the change of the last x to first order in it.
TEST_P(TransferLaw, FeaturesMoveAlikeAtEveryDepth) {
  constexpr Index kWidth = 32, kBaseDepth = 2;
  const auto options = only_with(GetParam());
  const auto log_of = [&](Index depth, std::uint64_t draw) {
    const auto count = static_cast<std::size_t>(depth);
    const double branch = double(kBaseDepth) / double(depth);
    std::vector<Matrix<double>> W, G(count), active;
    Matrix<double> x = random_matrix<double>(kBatch, kWidth, 40 + draw);
    std::vector<Parameter<double>> parameters;
    for (std::size_t k = 0; k < count; ++k) {
      W.push_back(random_matrix<double>(kWidth, kWidth, 1000 * draw + k, 1 / std::sqrt(kWidth)));
      active.push_back(x.array().tanh());
      x += branch * active[k] * W[k].transpose();
    }
    Matrix<double> delta = random_matrix<double>(kBatch, kWidth, 60 + draw, 1. / kWidth / kBatch);
    for (std::size_t k = count; k-- > 0;) {
      G[k] = branch * delta.transpose() * active[k];
      const Matrix<double> through = branch * delta * W[k];
      delta.array() += through.array() * (1 - active[k].array().square());
    }
    for (std::size_t k = 0; k < count; ++k) {
      parameters.push_back({.name = std::to_string(k),
                            .shape = {kWidth, kWidth},
                            .weights = W[k].data(),
                            .gradient = G[k].data(),
                            .base_shape = {kWidth, kWidth},
                            .depth_ratio = 1 / branch});
    }
    const auto before = W;
    Optimizer<double> optimizer(parameters, options, draw);
    for (int t = 0; t < 2 && W == before; ++t) EXPECT_TRUE(optimizer.step().outcome.ok());
    Matrix<double> moved = Matrix<double>::Zero(kBatch, kWidth);
    for (std::size_t k = 0; k < count; ++k) {
      moved += branch * active[k] * (W[k] - before[k]).transpose();
    }
    Logs logs{};
    logs.fill(std::log(moved.norm()));
    return logs;
  };
  const int draws = GetParam() == "kaon" ? 16 : 4;
  const auto slope = slope_over<>(
      {4, 8, 16, 32}, [&](Index) { return draws; }, log_of);
  EXPECT_NEAR(slope[0], 0, kTolerance);
}

MUONFLOW_EVERY_RULE(TransferLaw);

// Options and transforms that change the multiplier.
struct Variant {
  std::string name, rule, options;
  Transforms transforms{};
};
std::vector<Variant> variants() {
  Transforms blocks, grafted, spectral, rms;
  blocks.blocking.size = 16;
  grafted.grafting.rule = "adamw";
  spectral.spectral_normalization = {.kind = NormKind::spectral, .first_iterations = 40};
  rms.spectral_normalization.kind = NormKind::rms;
  return {
      {"adamuon_signless", "adamuon", R"({"sign_input": false})"},
      {"freon_none", "freon", R"({"c": 0.7, "normalization": "none"})"},
      {"freon_schatten", "freon", R"({"normalization": "schatten"})"},
      {"freon_geometric", "freon", R"({"c": 1})"},
      {"freon_sgd", "freon", R"({"c": 0})"},
      {"regularized_relative", "regularized_muon", R"({"epsilon_mode": "relative"})"},
      {"pion_both", "pion", R"({"sides": "both"})"},
      {"scion_sign", "scion", R"({"norm": "sign"})"},
      {"scion_row", "scion", R"({"norm": "row"})"},
      {"scion_column", "scion", R"({"norm": "column"})"},
      {"shampoo_quarter", "shampoo", R"({"grafting": "none"})"},
      {"shampoo_third", "shampoo", R"({"grafting": "none", "k": 0.3333333333333333})"},
      {"shampoo_half_left", "shampoo", R"({"grafting": "none", "k": 0.5, "one_sided": "left"})"},
      {"shampoo_quarter_right", "shampoo", R"({"grafting": "none", "one_sided": "right"})"},
      {"shampoo_rms", "shampoo", R"({"grafting": "rms"})"},
      {"shampoo_blocks", "shampoo", R"({"grafting": "none", "block_size": 16})"},
      {"shampoo_third_blocks", "shampoo",
       R"({"grafting": "none", "k": 0.3333333333333333, "block_size": 16})"},
      {"soap_without_bases", "soap", R"({"max_precond_dim": 8})"},
      {"muon_moonlight", "muon.moonlight", "{}"},
      {"muon_blocks", "muon", "{}", blocks},
      {"sgd_momentum", "sgd", R"({"momentum": 0.9})"},
      {"soap_blocks", "soap", "{}", blocks},
      {"muon_grafted", "muon", "{}", grafted},
      {"sgd_spectral", "sgd", "{}", spectral},
      {"muon_rms", "muon", "{}", rms}};
}

class TransferVariant : public testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Every, TransferVariant, testing::ValuesIn(variants()),
                         [](const auto& one) { return one.param.name; });

TEST_P(TransferVariant, FeaturesMoveAlike) {
  auto options = only_with(GetParam().rule, GetParam().options);
  options.hidden.transforms = GetParam().transforms;
  expect_near(slopes({.options = options}, {32, 64, 128, 256}), {}, GetParam().name);
}

// A side that is too long for a basis in the wide model alone has entries of one size from there
// on.
TEST(TransferSoap, OneSided) {
  const auto options = only_with("soap", R"({"max_precond_dim": 16})");
  // The layers in and out have a basis on their side of 16, the hidden one has none.
  expect_near(slopes({.options = options}, {32, 64, 128, 256}), {}, "one-sided");
}

// Bases of a first batch know nothing of a second one below the width: in them its gradient is
// dense, and SOAP's steps grow as Adam's do under Muon's multiplier. docs/theory/transfer.md.
TEST(TransferSoap, FreshBatchesBelowTheWidthLeaveTheBases) {
  const auto slope =
      slopes({.options = only_with("soap"), .fresh_batch = true}, {32, 64, 128, 256});
  EXPECT_GT(slope[1], 0.5);
}

// Heads of one size, more of them in a wider model.
TEST(TransferHeads, MoveAlike) {
  for (const auto* rule : {"muon", "sgd", "adamw", "soap", "regularized_muon"}) {
    std::vector<double> logs;
    for (const Index n : {32, 256}) {
      auto net = network(n, 3);
      const auto before = net;
      auto options = only_with(rule);
      options.groups = {{.patterns = {"hidden"}, .num_heads = n / 16}};
      Optimizer<double> optimizer(parameters_of(net, true), options, 1);
      for (int t = 0; t < 2 && net[1].W == before[1].W; ++t) optimizer.step();
      logs.push_back(std::log((net[1].input * (net[1].W - before[1].W).transpose()).norm() /
                              std::sqrt(double(n))));
    }
    EXPECT_NEAR((logs[1] - logs[0]) / std::log(8.0), 0, kTolerance) << rule;
  }
}

TEST(TransferInfo, EveryRuleSaysItsFamily) {
  for (const auto& rule : rules().all()) {
    EXPECT_FALSE(rule.info.transfer.family.empty()) << rule.name;
    // What is listed is what the defaults do.
    const auto own = rule.make()->transfer(kBase, kBase);
    EXPECT_EQ(to_text(own), to_text(rule.info.transfer)) << rule.name;
    EXPECT_EQ(regime_text(own), regime_text(rule.info.transfer)) << rule.name;
  }
}

}  // namespace
}  // namespace muonflow::optim::laws
