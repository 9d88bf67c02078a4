#include "muonflow/optim/transforms/qk_clip.hpp"

#include <cmath>
#include <limits>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(QkClip, GammaIsOneUpToTheThreshold) {
  const QkClip clip{.threshold = 100};
  EXPECT_EQ(qk_gamma(clip, 99), 1);
  EXPECT_EQ(qk_gamma(clip, 100), 1);
  EXPECT_DOUBLE_EQ(qk_gamma(clip, 400), 0.25);
  EXPECT_EQ(qk_gamma(clip, std::numeric_limits<double>::quiet_NaN()), 1);
  EXPECT_EQ(qk_gamma(clip, -std::numeric_limits<double>::infinity()), 1);
  EXPECT_EQ(qk_gamma({}, 400), 1);  // off
}

// A fused query, key and value [3 n, n] with bias: the logits of head 1 shrink by gamma = 1/4,
// everything else stays.
TEST(QkClip, ShrinksTheLogitsOfAHead) {
  constexpr Index kHeads = 2, kSize = 2, kWidth = 4;
  Owned<> w("w", {12, 4}, Role::hidden, 1, 0);
  Owned<> b("b", {12}, Role::bias, 1, 0);
  for (std::size_t i = 0; i < w.weights.size(); ++i)
    w.weights[i] = std::cos(static_cast<double>(i));
  const auto before = w.weights;
  std::vector<double> logits{100, 400};
  Optimizer<double> optimizer({w.parameter, b.parameter}, only("sgd", 1), 1);
  optimizer.clip_attention({.threshold = 100}, {.query = {{"w", 0}, {"b", 0}},
                                                .key = {{"w", kWidth}, {"b", kWidth}},
                                                .heads = kHeads,
                                                .key_heads = kHeads,
                                                .head_size = kSize,
                                                .max_logits = logits});
  EXPECT_EQ(optimizer.step().clipped_heads, 1);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t row = i / 4;
    const bool head_1 = row == 2 || row == 3 || row == 6 || row == 7;
    EXPECT_DOUBLE_EQ(w.weights[i], head_1 ? 0.5 * before[i] : before[i]) << row;
  }
  EXPECT_EQ(b.weights, (std::vector<double>{1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1, 1, 1}));
  logits = {3, 4};  // filled again before each step
  EXPECT_EQ(optimizer.step().clipped_heads, 0);
}

// A key that several heads share stays: their queries take the whole gamma.
TEST(QkClip, SharedKeysStay) {
  Matrix<double> q = Matrix<double>::Ones(4, 3);
  Matrix<double> k = Matrix<double>::Ones(2, 3);
  const std::vector<double> logits{200, 50};
  const AttentionLayer layer{.heads = 2, .key_heads = 1, .head_size = 2, .max_logits = logits};
  EXPECT_EQ(clip_query<double>({.threshold = 100}, layer, q), 1);
  EXPECT_EQ(clip_key<double>({.threshold = 100}, layer, k), 0);
  EXPECT_EQ(q(1, 0), 0.5);
  EXPECT_EQ(q(2, 0), 1);
  EXPECT_EQ(k(0, 0), 1);
}

// What watches a step is told how many heads will be scaled, and sees the weights before that.
TEST(QkClip, ObserversKnowBeforeItHappens) {
  struct HeadWatcher final : StepObserver<double> {
    void before_step(Optimizer<double>&, double) override {}
    void after_step(Optimizer<double>& optimizer, const StepReport& report) override {
      heads = report.clipped_heads;
      weight = optimizer.parameters()[0].weights[0];
    }
    Index heads = 0;
    double weight = 0;
  } watcher;
  Owned<> w("w", {4, 2}, Role::hidden, 1, 0);
  const std::vector<double> logits{16};
  Optimizer<double> optimizer({w.parameter}, only("sgd", 1), 1);
  const QkClip clip{.threshold = 4, .balance = 1};
  const AttentionLayer layer{
      .query = {{"w", 0}}, .key = {{"w", 2}}, .head_size = 2, .max_logits = logits};
  optimizer.clip_attention(clip, layer);
  optimizer.clip_attention(clip, layer);  // named twice it is clipped once
  optimizer.observe(&watcher);
  EXPECT_EQ(optimizer.step().clipped_heads, 1);
  EXPECT_EQ(watcher.heads, 1);
  EXPECT_EQ(watcher.weight, 1);
  EXPECT_EQ(w.weights, (std::vector<double>{0.25, 0.25, 0.25, 0.25, 1, 1, 1, 1}));
}

// Options that ask for it and nobody who says where the heads are.
TEST(QkClip, IsNotForgottenInSilence) {
  Owned<> w("w", {4, 4});
  auto options = only("sgd", 1);
  options.qk_clip.threshold = 10;
  Optimizer<double> optimizer({w.parameter}, options, 1);
  EXPECT_MENTIONS(message_of<ConfigError>([&] { optimizer.step(); }),
                  "optimizer.qk_clip: no attention layer has been named");
}

TEST(QkClip, RefusesRowsThatAreNotThere) {
  Owned<> w("w", {4, 4});
  const std::vector<double> logits{1, 1};
  Optimizer<double> optimizer({w.parameter}, only("sgd", 1), 1);
  AttentionLayer layer{
      .query = {{"w", 1}}, .heads = 2, .key_heads = 2, .head_size = 2, .max_logits = logits};
  const auto refusal = [&] {
    return message_of<ConfigError>([&] { optimizer.clip_attention({}, layer); });
  };
  EXPECT_MENTIONS(refusal(), "w: qk_clip: expected 4 rows from 1");
  layer.query = {{"v", 0}};
  EXPECT_MENTIONS(refusal(), "v: qk_clip: expected a parameter");
  layer.max_logits = {};
  EXPECT_MENTIONS(refusal(), "a logit for each head");
}

}  // namespace
}  // namespace muonflow::optim
