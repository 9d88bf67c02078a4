// Whatever stands around a rule is understood, or switches claims off with a reason.
#include <gtest/gtest.h>

#include <set>

#include "tests/optim/audit/evidence.hpp"

namespace muonflow::optim {
namespace {

struct Setting {
  std::string name, rule, options;
  bool judged = true;  // the direction, in every step
};

const std::vector<Setting> kSettings{
    {"blocks_of_muon", "muon", R"({"lr": 0.02, "transforms": {"blocking": {"size": 4}}})"},
    {"blocks_of_shampoo", "shampoo", R"({"lr": 0.02, "transforms": {"blocking": {"size": 4}}})"},
    {"shampoo_with_its_own_blocks", "shampoo",
     R"({"lr": 0.02, "block_size": 4, "precondition_frequency": 3})"},
    {"shampoo_one_sided", "shampoo",
     R"({"lr": 0.02, "one_sided": "left", "k": 0.5, "grafting": "rms"})"},
    {"spectral_norm", "muon",
     R"({"lr": 0.02, "transforms": {"spectral_normalization": {"kind": "spectral"}}})"},
    {"rms_norm", "sgd",
     R"({"lr": 0.02, "transforms": {"spectral_normalization": {"kind": "rms"}}})"},
    {"grafted", "muon", R"({"lr": 0.02, "transforms": {"grafting": {"rule": "adamw"}}})"},
    {"cautious_updates", "muon", R"({"lr": 0.02, "transforms": {"cautious": {"updates": true}}})"},
    {"cautious_decay", "muon",
     R"({"lr": 0.02, "weight_decay": 0.3, "transforms": {"cautious": {"decay": true}}})"},
    {"cautious_decay_after", "muon",
     R"({"lr": 0.02, "weight_decay": 0.3, "decay": "after", "transforms": {"cautious": {"decay": true}}})"},
    {"fed_back", "muon",
     R"({"lr": 0.02, "transforms": {"error_feedback": {"on": true, "compressor": "top_k"}}})"},
    {"fed_back_signs", "adamw",
     R"({"lr": 0.02, "transforms": {"error_feedback": {"on": true, "compressor": "sign"}}})"},
    {"fed_back_bytes", "muon",
     R"({"lr": 0.02, "transforms": {"error_feedback": {"on": true, "compressor": "int8"}}})"},
    {"fed_back_low_rank", "muon",
     R"({"lr": 0.02, "transforms": {"error_feedback": {"on": true, "compressor": "low_rank", "rank": 2}}})"},
    {"fed_back_whole", "muon", R"({"lr": 0.02, "transforms": {"error_feedback": {"on": true}}})"},
    {"independent", "muon", R"({"lr": 0.02, "weight_decay": 0.01, "decay": "independent"})"},
    {"corrected", "muon", R"({"lr": 0.02, "weight_decay": 0.3, "decay": "corrected"})"},
    {"coupled", "muon", R"({"lr": 0.02, "weight_decay": 0.3, "decay": "coupled"})"},
    {"after", "muon", R"({"lr": 0.02, "weight_decay": 0.3, "decay": "after"})"},
    {"moonlight", "muon.moonlight", R"({"lr": 0.02})"},
    {"polar_express", "muon", R"({"lr": 0.02, "polar": "polar_express"})"},
    {"polar_express_dion", "muon", R"({"lr": 0.02, "polar": "polar_express.dion"})"},
    {"polar_express_paper", "muon", R"({"lr": 0.02, "polar": "polar_express.paper"})"},
    {"turbo", "muon", R"({"lr": 0.02, "polar": "turbo"})"},
    {"cans", "muon", R"({"lr": 0.02, "polar": "cans", "ns_steps": 11})"},
    {"you", "muon", R"({"lr": 0.02, "polar": "you"})"},
    {"classic", "muon", R"({"lr": 0.02, "polar": "classic", "ns_steps": 15})"},
    {"qdwh", "muon", R"({"lr": 0.02, "polar": "qdwh"})"},
    {"zolotarev", "muon", R"({"lr": 0.02, "polar": "zolotarev"})"},
    {"svd", "muon", R"({"lr": 0.02, "polar": "svd"})"},
    {"relative_epsilon", "regularized_muon",
     R"({"lr": 0.02, "epsilon": 0.3, "epsilon_mode": "relative", "nesterov": true})"},
    {"scion_row", "scion", R"({"lr": 0.02, "norm": "row", "radius": 3})"},
    {"scion_column", "scion", R"({"lr": 0.02, "norm": "column"})"},
    {"scion_sign_constrained", "scion",
     R"({"lr": 0.02, "norm": "sign", "constrained": true, "weight_decay": 0.1})"},
    {"freon_one", "freon", R"({"lr": 0.02, "c": 1})"},
    {"freon_schatten", "freon", R"({"lr": 0.02, "c": 0.25, "normalization": "schatten"})"},
    {"freon_plain", "freon", R"({"lr": 0.02, "c": 0.4, "normalization": "none"})"},
    {"pion_both_exp", "pion", R"({"lr": 0.1, "sides": "both", "retraction": "exp"})"},
    {"pion_cayley", "pion", R"({"lr": 0.1, "retraction": "cayley", "weight_decay": 0.1})"},
    {"soap_every_step", "soap", R"({"lr": 0.02, "precondition_frequency": 1})"},
    {"soap_one_sided", "soap", R"({"lr": 0.02, "max_precond_dim": 6, "correct_bias": false})"},
    {"nesterov_sgd", "sgd", R"({"lr": 0.02, "momentum": 0.9, "nesterov": true})"},
    {"adam", "adam", R"({"lr": 0.02, "weight_decay": 0.1})"},
    {"dion_full", "dion", R"({"lr": 0.02, "rank_fraction": 1})"},
};

class Settings : public testing::TestWithParam<Setting> {};

template <class T>
void expect_clean(const Setting& setting) {
  AuditedRunOf<T> run({{{6, 10}, Role::hidden}, {{9, 5}, Role::hidden}},
                      routing_for(setting.rule, setting.options));
  const auto failure = run.run(60, [](int step) { return 1.0 / (1 + 0.02 * step); });
  EXPECT_EQ(failure, "") << run.auditor->report().to_text();
  // A transform that is not understood would leave most of it open.
  EXPECT_LT(run.auditor->totals().off, run.auditor->totals().checks / 5)
      << run.auditor->reasons().begin()->first;
}

TEST_P(Settings, RaiseNothing) {
  expect_clean<double>(GetParam());
  expect_clean<float>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, Settings, testing::ValuesIn(kSettings),
                         [](const auto& one) { return one.param.name; });

TEST(Settings, MomentumWarmup) {
  auto routing = routing_for("muon", R"({"lr": 0.02})");
  routing.momentum_warmup = {.start = 0.5, .steps = 10};
  AuditedRunOf<double> run({{{6, 10}, Role::hidden}}, routing);
  EXPECT_EQ(run.run(20), "");
  // Of the grafted rule, too, from the same start to its own.
  routing.hidden.transforms.grafting.rule = "dasgo";
  AuditedRunOf<double> grafted({{{6, 10}, Role::hidden}}, routing);
  EXPECT_EQ(grafted.run(20), "");
  routing.hidden.transforms.grafting.rule = "";
  // And a warmup that is not claimed is caught.
  AuditedRunOf<double> silent({{{6, 10}, Role::hidden}}, routing);
  silent.fill_gradients(0);
  const auto report = audit(claim_of("w", {6, 10}, "muon", R"({"lr": 0.02})"), step_of(silent));
  EXPECT_FALSE(report.ok());
}

TEST(Settings, FusedAndStackedTensorsAreTheirMatrices) {
  RoutingOptions routing;
  routing.preset = "";
  routing.groups = {{.rule = "muon", .patterns = {"w0"}, .split_sizes = {4, 4, 4}},
                    {.rule = "muon", .patterns = {"w1"}, .split_sizes = {4, 2, 2}, .num_heads = 2},
                    {.rule = "normuon", .layout = Layout::stack, .patterns = {"w2"}},
                    {.rule = "soap", .patterns = {"w3"}},
                    {.rule = "dion", .patterns = {"w4"}, .split_sizes = {6, 3}}};
  AuditedRunOf<double> run({{{12, 5}, Role::hidden},
                            {{8, 6}, Role::hidden},
                            {{3, 4, 5}, Role::hidden},
                            {{4, 2, 3, 1}, Role::convolution},
                            {{9, 7}, Role::hidden}},
                           routing);
  EXPECT_EQ(run.run(25), "") << run.auditor->report().to_text();
  std::set<std::string> matrices;
  for (const auto& check : run.auditor->report().checks) matrices.insert(check.tensor);
  EXPECT_TRUE(matrices.contains("w0 #2"));
  EXPECT_TRUE(matrices.contains("w1 #3"));
  EXPECT_TRUE(matrices.contains("w2 #2"));
  EXPECT_TRUE(matrices.contains("w4 #1"));
}

TEST(Settings, NarrowVectorsTinyAndHugeGradients) {
  for (const double size : {1e-12, 1e6}) {
    RoutingOptions routing;
    routing.preset = "adamw";
    AuditedRunOf<float> run({{{1}, Role::bias}, {{300}, Role::norm}, {{7, 1}, Role::hidden}},
                            routing);
    run.size = size;
    EXPECT_EQ(run.run(20), "") << size << run.auditor->report().to_text();
    AuditedRunOf<float> muon({{{1, 9}, Role::hidden}, {{9, 9}, Role::hidden}},
                             routing_for("muon", R"({"lr": 0.02})"));
    muon.size = size;
    EXPECT_EQ(muon.run(20), "") << size << muon.auditor->report().to_text();
  }
}

// Gradients of rank 2: most singular values are rounding.
TEST(Settings, LowRankGradients) {
  for (const auto& rule : {"muon", "polargrad", "freon", "dion", "ef_muon", "soap", "shampoo",
                           "asgo", "regularized_muon", "normuon", "adamuon", "kaon", "scion"}) {
    AuditedRunOf<float> run({{{12, 9}, Role::hidden}}, routing_for(rule, R"({"lr": 0.02})"));
    run.optimizer->observe(run.auditor.get());
    Rng rng(5, 1);
    for (int step = 0; step < 15; ++step) {
      std::vector<double> u(12), v(9);
      for (auto& x : u) x = rng.normal();
      for (auto& x : v) x = rng.normal();
      for (std::size_t i = 0; i < 12; ++i) {
        for (std::size_t j = 0; j < 9; ++j) {
          run.owned[0]->gradient[9 * i + j] = static_cast<float>(u[i] * v[j]);
        }
      }
      EXPECT_TRUE(run.optimizer->step().outcome.ok());
      ASSERT_EQ(run.auditor->failure(), nullptr) << rule << " step " << step << "\n"
                                                 << run.auditor->report().to_text();
    }
  }
}

// Gradients as a transformer's projections into the residual stream have them: rows that add up to
// zero, and singular values over five decades.
TEST(Settings, GradientsThatLackARowAndDecay) {
  for (const auto& [rule, options] : std::vector<std::pair<std::string, std::string>>{
           {"muon", R"({"lr": 0.02, "weight_decay": 0.1, "polar": "qdwh"})"},
           {"muon", R"({"lr": 0.02, "weight_decay": 0.1, "polar": "zolotarev"})"},
           {"muon", R"({"lr": 0.02, "weight_decay": 0.1, "polar": "svd"})"},
           {"soap", R"({"lr": 0.02, "precondition_frequency": 1})"},
           {"freon", R"({"lr": 0.02, "weight_decay": 0.1})"},
           {"polargrad", R"({"lr": 0.02, "weight_decay": 0.1})"},
           {"adam", R"({"lr": 0.02, "weight_decay": 0.1})"}}) {
    AuditedRunOf<float> run({{{12, 40}, Role::hidden}}, routing_for(rule, options));
    run.optimizer->observe(run.auditor.get());
    Rng rng(5, 1);
    for (int step = 0; step < 40; ++step) {
      Matrix<double> G = Matrix<double>::Zero(12, 40);
      for (int k = 0; k < 12; ++k) {
        const auto draw = [&rng] { return rng.normal(); };
        const Vector<double> u = Vector<double>::NullaryExpr(12, draw);
        const Vector<double> v = Vector<double>::NullaryExpr(40, draw);
        G += 1e-2 * std::pow(10, -0.45 * k) * u * v.transpose();
      }
      G.rowwise() -= G.colwise().mean().eval();
      for (Index i = 0; i < G.size(); ++i) {
        run.owned[0]->gradient[static_cast<std::size_t>(i)] = static_cast<float>(G.data()[i]);
      }
      EXPECT_TRUE(run.optimizer->step().outcome.ok());
      ASSERT_EQ(run.auditor->failure(), nullptr) << rule << options << " step " << step << "\n"
                                                 << run.auditor->report().to_text();
    }
  }
}

// The audit rounds in double as the run does, and its clipping factor with it.
TEST(Settings, ClippedInDouble) {
  RoutingOptions routing;
  routing.preset = "muon+adam";
  routing.hidden.weight_decay = routing.other.weight_decay = 0.1;
  routing.clip.max_norm = 0.1;
  AuditedRunOf<double> run({{{40, 30}, Role::hidden},
                            {{64, 30}, Role::embedding},
                            {{90}, Role::bias},
                            {{30}, Role::norm}},
                           routing);
  EXPECT_EQ(run.run(200, [](int step) { return 1.0 / (1 + 0.02 * step); }), "")
      << run.auditor->report().to_text();
}

// Gains near 1 whose steps are nearly constant, too: decay and step can hardly be told apart, and a
// multiplier that is wrong is still seen.
TEST(Settings, StepsAlmostParallelToTheWeights) {
  for (const bool faster : {false, true}) {
    auto routing = routing_for("adamw", R"({"lr": 0.003, "weight_decay": 0.1})");
    AuditedRunOf<float> run({{{32}, Role::norm}}, routing);
    for (auto& w : run.owned[0]->weights) w = 1 + 0.01f * static_cast<float>(run.rng.normal());
    run.optimizer->observe(run.auditor.get());
    bool failed = false;
    for (int step = 0; step < 40; ++step) {
      for (auto& g : run.owned[0]->gradient) {
        g = 1 + 0.05f * static_cast<float>(run.rng.normal());
      }
      if (!faster) {
        EXPECT_TRUE(run.optimizer->step().outcome.ok());
      } else {
        const auto before = run.owned[0]->weights;
        run.auditor->before_step(*run.optimizer, 1);
        run.optimizer->observe(nullptr);
        const auto report = run.optimizer->step();
        for (std::size_t i = 0; i < before.size(); ++i) {
          auto& w = run.owned[0]->weights[i];
          w = before[i] + 1.1f * (w - before[i]);
        }
        run.auditor->after_step(*run.optimizer, report);
      }
      failed = failed || run.auditor->failure() != nullptr;
    }
    EXPECT_EQ(failed, faster) << run.auditor->report().to_text();
  }
}

}  // namespace
}  // namespace muonflow::optim
