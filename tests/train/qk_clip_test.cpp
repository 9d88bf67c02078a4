#include "muonflow/train/qk_clip.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/small.hpp"

namespace muonflow::train {
namespace {

using muonflow::test::message_of;

constexpr double kThreshold = 0.5;

// Steps so large that logits grow to several times the threshold.
optim::RoutingOptions clipping(std::optional<double> threshold = kThreshold,
                               const std::string& preset = "muon+adamw") {
  auto routing = small_routing(preset);
  routing.hidden.lr = 0.3;
  routing.qk_clip.threshold = threshold;
  return routing;
}

struct Logits final : Observer {
  std::vector<StepRecord> steps;
  void on_step(const StepRecord& record) override { steps.push_back(record); }
};

template <class T>
std::vector<StepRecord> steps_of(Trainer<T>& trainer) {
  Logits logits;
  Observer* const observers[] = {&logits};
  trainer.run(observers);
  return logits.steps;
}

const TrainOptions kOptions{.steps = 40, .batch_size = 3, .accumulation = 2, .eval_batches = 1};

TEST(QkClip, HoldsTheLogitsOfARunAndCountsHeads) {
  Small<float> held(kOptions, clipping());
  Small<float> free(kOptions, clipping(1e6));
  const auto steps = steps_of(held.trainer);
  double largest = 0, unheld = 0;
  std::int64_t clipped = 0;
  for (const auto& step : steps) {
    ASSERT_TRUE(step.max_logit.has_value());
    EXPECT_EQ(step.clipped_heads > 0, *step.max_logit > kThreshold) << step.step;
    largest = std::max(largest, *step.max_logit);
    clipped += step.clipped_heads;
  }
  for (const auto& step : steps_of(free.trainer)) {
    EXPECT_EQ(step.clipped_heads, 0);
    unheld = std::max(unheld, *step.max_logit);
  }
  EXPECT_GT(clipped, 10);
  EXPECT_GT(unheld, 6 * kThreshold);
  // Clipping comes a step late: what a step adds to a logit stands above the threshold.
  EXPECT_LT(largest, 3 * kThreshold);
  EXPECT_LT(largest, 0.5 * unheld);
}

TEST(QkClip, IsOffWithoutAThreshold) {
  Small<float> small(kOptions, clipping(std::nullopt));
  for (const auto& step : steps_of(small.trainer)) EXPECT_FALSE(step.max_logit.has_value());
}

// The step itself, and then queries and keys of each head by the factor of its logit.
TEST(QkClip, ScalesQueriesAndKeysOfEachHead) {
  const TrainOptions one{.steps = 1, .batch_size = 3, .eval_batches = 1};
  const auto weights = [&](double threshold, std::vector<double>* logits) {
    auto routing = clipping(threshold);
    routing.qk_clip.balance = 0.25;
    Small<double> small(one, routing);
    for (auto& p : small.gpt.parameters()) {  // as after many steps
      for (std::int64_t i = 0; i < element_count(p.shape); ++i) p.weights[i] *= 10;
    }
    EXPECT_TRUE(small.trainer.advance());
    if (logits) {
      const auto found = small.gpt.watch_attention()[0].max_logits;
      logits->assign(found.begin(), found.end());
    }
    return small.gpt.weights();
  };
  std::vector<double> logits;
  const auto plain = weights(1e9, &logits);
  const double threshold = 0.5 * (logits[0] + logits[1]);  // one head above, one below
  const auto clipped = weights(threshold, nullptr);
  for (const auto& [name, tensor] : plain) {
    const auto before = tensor.as<double>();
    const auto after = clipped.at(name).as<double>();
    const bool projection = name.find(".attn.c_attn.") != std::string::npos;
    const std::size_t cols = tensor.shape.size() > 1 ? 8 : 1;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const std::size_t row = i / cols;
      double factor = 1;
      if (projection && row < 16) {
        const double gamma = std::min(1.0, threshold / logits[row % 8 / 4]);
        factor = std::pow(gamma, row < 8 ? 0.25 : 0.75);
      }
      EXPECT_DOUBLE_EQ(after[i], factor * before[i]) << name << " " << row;
    }
  }
}

TEST(QkClip, ResumedAtAnyStepARunGoesOnWithTheSameBits) {
  const TrainOptions options{.steps = 9, .batch_size = 2, .accumulation = 2, .eval_every = 2};
  const muonflow::test::TemporaryFolder folder;
  const auto routing = clipping(0.02);
  Small<float> whole(options, routing);
  std::int64_t clipped = 0;
  for (const auto& step : steps_of(whole.trainer)) clipped += step.clipped_heads;
  EXPECT_GT(clipped, 4);
  const auto expected = whole.trainer.checkpoint();
  for (const std::int64_t stop_at : {1, 4, 8}) {
    Small<float> first(options, routing);
    first.trainer.run({}, [&] { return first.trainer.step() == stop_at; });
    const auto place = write_checkpoint(folder.path(), first.trainer.checkpoint(), 1);
    Small<float> second(options, routing);
    second.trainer.restore(read_checkpoint(place), place.string());
    EXPECT_EQ(second.trainer.run(), Ending::finished);
    const auto found = second.trainer.checkpoint();
    EXPECT_TRUE(same(expected.weights, found.weights)) << stop_at;
    EXPECT_TRUE(same(expected.optimizer, found.optimizer)) << stop_at;
  }
}

TEST(QkClip, NeitherThreadsNorEvaluationsChangeABit) {
  const auto trained = [](int threads, std::int64_t eval_every) {
    set_threads(threads);
    Small<float> small({.steps = 8, .batch_size = 3, .accumulation = 2, .eval_every = eval_every},
                       clipping(0.02));
    std::int64_t clipped = 0;
    for (const auto& step : steps_of(small.trainer)) clipped += step.clipped_heads;
    EXPECT_GT(clipped, 4);
    set_threads(0);
    return small.trainer.checkpoint();
  };
  const auto expected = trained(1, 0);
  for (const auto& found : {trained(2, 0), trained(4, 0), trained(1, 1)}) {
    EXPECT_TRUE(same(expected.weights, found.weights));
    EXPECT_TRUE(same(expected.optimizer, found.optimizer));
  }
}

// The rows that it scales are no step of the rule's, and no hand of a stranger.
TEST(QkClip, AuditsOfClippedStepsFindNothing) {
  Small<float> small({.steps = 12, .batch_size = 2}, clipping(0.02));
  optim::Auditor<float> auditor({.every = 1, .tensors = 100, .max_share = std::nullopt},
                                {.steps = 12});
  small.trainer.watch(auditor, optim::OnFailure::stop);
  const auto steps = steps_of(small.trainer);
  EXPECT_EQ(small.trainer.step(), 12);
  EXPECT_EQ(auditor.totals().failed, 0);
  EXPECT_GT(auditor.totals().checks, 100);
  EXPECT_GT(steps.back().clipped_heads, 0);
}

TEST(QkClip, RefusesAModelWithoutAttention) {
  Small<float> small(kOptions);
  const auto message = message_of<ConfigError>(
      [&] { clip_attention<float>(small.optimizer, std::span<const model::AttentionHeads>{}); });
  EXPECT_NE(message.find("optimizer.qk_clip.threshold: expected a model with attention"),
            std::string::npos)
      << message;
  EXPECT_EQ(largest_logit({}), -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace muonflow::train
