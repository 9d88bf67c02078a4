#include "muonflow/optim/audit/audit.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/audit/claim.hpp"
#include "tests/optim/audit/evidence.hpp"

namespace muonflow::optim {
namespace {

constexpr const char* kMuon = R"({"lr": 0.02, "weight_decay": 0.1})";

// A program's own step, told with tensors alone.
TEST(Audit, JudgesAStepThatNoOptimizerOfOursTook) {
  // W <- (1 - lr wd) W - lr sign(M), M = mu M + (1 - mu) G: signum, written here.
  const Shape shape{2, 3};
  const std::vector<double> w{1, -2, 3, 4, -5, 6}, g{0.5, -1, 2, -0.1, 3, 1}, m{1, 1, 1, 1, 1, 1};
  std::vector<double> m1, w1;
  for (std::size_t i = 0; i < w.size(); ++i) {
    m1.push_back(0.9 * m[i] + (1 - 0.9) * g[i]);
    w1.push_back((1 - 0.1 * 0.2) * w[i] - 0.1 * (m1[i] > 0 ? 1 : -1));
  }
  const auto tensor = [&](const std::vector<double>& x) { return make_tensor<double>(shape, x); };
  const auto claim =
      claim_of("w", shape, "signum", R"({"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2})");
  StepEvidence evidence{.before = tensor(w),
                        .after = tensor(w1),
                        .gradients = {tensor(g)},
                        .state_before = {{"momentum_buffer", tensor(m)}},
                        .state_after = {{"momentum_buffer", tensor(m1)}}};
  const auto right = audit(claim, evidence);
  EXPECT_TRUE(right.ok()) << right.to_text();
  EXPECT_GE(right.judged(), 5);

  w1[4] += 0.2;  // one sign is wrong
  evidence.after = tensor(w1);
  const auto wrong = audit(claim, evidence);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.failure()->quantity, "direction");

  // Without the state after, the weights alone are judged.
  evidence.state_after.clear();
  EXPECT_FALSE(audit(claim, evidence).ok());
}

TEST(Audit, AStackLaidFlatIsNotItsMatrices) {
  const Shape shape{3, 6, 4};
  AuditedRunOf<float> run({{shape, Role::hidden}},
                          routing_for("muon", R"({"lr": 0.02, "layout": "conv"})"));
  run.fill_gradients(0);
  auto report =
      audit(claim_of("experts", shape, "muon", R"({"lr": 0.02, "layout": "stack"})"), step_of(run));
  ASSERT_FALSE(report.ok());
  EXPECT_MENTIONS(report.failure()->to_line(), "experts #0: polar error");
  EXPECT_MENTIONS(report.failure()->note, "laid flat");
}

// One optimizer step on the mean of four gradients is what is claimed.
TEST(Audit, AStepForEachMicroBatch) {
  const Shape shape{6, 4};
  AuditedRunOf<double> run({{shape, Role::hidden}}, routing_for("muon", kMuon));
  const Owned<double>& owned = *run.owned.front();
  StepEvidence evidence{.before = tensor_of(owned, owned.weights),
                        .state_before = run.optimizer->state_of("w0")};
  for (int k = 0; k < 4; ++k) {
    run.fill_gradients(k);
    evidence.gradients.push_back(tensor_of(owned, owned.gradient));
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
  }
  evidence.after = tensor_of(owned, owned.weights);
  evidence.state_after = run.optimizer->state_of("w0");
  auto claim = claim_of("w0", shape, "muon", kMuon);
  claim.micro_batches = 4;
  const auto report = audit(claim, evidence);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.failure()->quantity, "steps taken");
  // The counter may lie; the momentum does not.
  evidence.state_after["step"] = make_tensor<std::int64_t>({}, std::vector<std::int64_t>{1});
  const auto again = audit(claim, evidence);
  ASSERT_FALSE(again.ok());
  EXPECT_MENTIONS(again.failure()->to_line(), "state momentum_buffer");
  EXPECT_MENTIONS(again.failure()->note, "a step for each micro-batch");
}

TEST(Audit, TheMeanOfMicroBatchesIsClean) {
  const Shape shape{6, 4};
  AuditedRunOf<double> run({{shape, Role::hidden}}, routing_for("muon", kMuon));
  Owned<double>& owned = *run.owned.front();
  StepEvidence evidence{.before = tensor_of(owned, owned.weights),
                        .state_before = run.optimizer->state_of("w0")};
  std::vector<double> mean(owned.gradient.size(), 0);
  for (int k = 0; k < 4; ++k) {
    run.fill_gradients(k);
    evidence.gradients.push_back(tensor_of(owned, owned.gradient));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += owned.gradient[i] / 4;
  }
  owned.gradient = mean;
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  evidence.after = tensor_of(owned, owned.weights);
  evidence.state_after = run.optimizer->state_of("w0");
  auto claim = claim_of("w0", shape, "muon", kMuon);
  claim.micro_batches = 4;
  EXPECT_TRUE(audit(claim, evidence).ok()) << audit(claim, evidence).to_text();
}

struct Around {
  std::string quantity, note;
  std::function<void(const std::vector<double>& before, std::vector<double>& after)> spoil;
};

// What a hand around the step can do to it.
TEST(Audit, NamesWhatIsDoneAroundAStep) {
  const Shape shape{8, 4};
  const double kept = 1 - 0.02 * 0.1;
  const std::vector<Around> all{{"decay", "applied twice",
                                 [&](const auto&, auto& w) {
                                   for (auto& x : w) x *= kept;
                                 }},
                                {"decay", "left out",
                                 [&](const auto& b, auto& w) {
                                   for (std::size_t i = 0; i < w.size(); ++i)
                                     w[i] += (1 - kept) * b[i];
                                 }},
                                {"scale", "clipped to a norm of 0.01",
                                 [&](const auto& b, auto& w) {
                                   double norm = 0;
                                   for (std::size_t i = 0; i < w.size(); ++i)
                                     norm += std::pow(w[i] - kept * b[i], 2);
                                   for (std::size_t i = 0; i < w.size(); ++i) {
                                     w[i] = kept * b[i] +
                                            (w[i] - kept * b[i]) * 0.01 / std::sqrt(norm);
                                   }
                                 }},
                                {"scale", "schedule were ignored",
                                 [&](const auto& b, auto& w) {
                                   for (std::size_t i = 0; i < w.size(); ++i)
                                     w[i] = kept * b[i] + 2 * (w[i] - kept * b[i]);
                                 }},
                                {"scale", "nothing was applied", [&](const auto& b, auto& w) {
                                   for (std::size_t i = 0; i < w.size(); ++i) w[i] = kept * b[i];
                                 }}};
  for (const auto& one : all) {
    AuditedRunOf<double> run({{shape, Role::hidden}},
                             routing_for("muon", R"({"lr": 0.04, "weight_decay": 0.1})"));
    run.fill_gradients(0);
    auto evidence = step_of(run, 0.5);
    auto claim = claim_of("w", shape, "muon", R"({"lr": 0.04, "weight_decay": 0.1})");
    claim.schedule = 0.5;
    claim.clip_norm = 0.01;
    EXPECT_TRUE(audit(claim, evidence).ok());
    const auto before = evidence.before.to<double>();
    auto after = evidence.after.to<double>();
    one.spoil(before, after);
    evidence.after = make_tensor<double>(shape, after);
    const auto report = audit(claim, evidence);
    ASSERT_FALSE(report.ok()) << one.note;
    EXPECT_EQ(report.failure()->quantity, one.quantity) << report.to_text();
    EXPECT_MENTIONS(report.failure()->note, one.note);
  }
}

TEST(Audit, MissingStateIsAFailureThatIsNamed) {
  AuditedRunOf<double> run({{{4, 4}, Role::hidden}}, routing_for("muon", kMuon));
  run.fill_gradients(0);
  auto evidence = step_of(run);
  evidence.state_before.erase("momentum_buffer");
  const auto report = audit(claim_of("w", {4, 4}, "muon", kMuon), evidence);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.failure()->quantity, "state momentum_buffer");
  EXPECT_EQ(report.failure()->note, "missing");
}

TEST(Audit, RefusesEvidenceThatDoesNotFit) {
  const auto tensor = make_tensor<double>({2, 2}, std::vector<double>{1, 2, 3, 4});
  const auto claim = claim_of("w", {2, 3}, "sgd", R"({"lr": 0.1})");
  const auto message = message_of<ShapeError>(
      [&] { audit(claim, {.before = tensor, .after = tensor, .gradients = {tensor}}); });
  EXPECT_MENTIONS(message, "w: weights before");
  EXPECT_MENTIONS(message_of<ConfigError>([] { claim_of("w", {2}, "moun", "{}"); }), "muon");
}

TEST(Audit, AZeroGradientAndZeroWeightsAreJudgedToo) {
  AuditedRunOf<double> run({{{4, 4}, Role::hidden}}, routing_for("muon", kMuon));
  const auto claim = claim_of("w", {4, 4}, "muon", kMuon);
  auto evidence = step_of(run);  // gradients are zero
  EXPECT_TRUE(audit(claim, evidence).ok()) << audit(claim, evidence).to_text();
  auto after = evidence.after.to<double>();
  after[3] += 0.01;
  evidence.after = make_tensor<double>({4, 4}, after);
  EXPECT_FALSE(audit(claim, evidence).ok());
}

}  // namespace
}  // namespace muonflow::optim
