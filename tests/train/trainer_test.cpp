#include "muonflow/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/small.hpp"

namespace muonflow::train {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Counts what it is told.
struct Counter final : Observer {
  std::vector<StepRecord> steps;
  std::vector<EvaluationRecord> evaluations;
  std::vector<TroubleRecord> troubles;
  std::vector<std::string> warnings;
  int boundaries = 0;
  int ends = 0;

  void on_step(const StepRecord& record) override { steps.push_back(record); }
  void on_evaluation(const EvaluationRecord& record) override { evaluations.push_back(record); }
  void on_trouble(const TroubleRecord& record) override { troubles.push_back(record); }
  void on_warning(std::int64_t, std::string_view tensor, std::string_view) override {
    warnings.emplace_back(tensor);
  }
  void on_boundary(const Saveable&) override { ++boundaries; }
  void on_end(Ending, const Saveable&) override { ++ends; }
};

TEST(Trainer, LearnsAndTellsItsObservers) {
  Small<float> small({.steps = 60, .batch_size = 4, .eval_every = 20, .eval_batches = 2});
  Counter counter;
  Observer* const observers[] = {&counter};
  EXPECT_EQ(small.trainer.run(observers), Ending::finished);
  ASSERT_EQ(counter.steps.size(), 60u);
  EXPECT_EQ(counter.boundaries, 60);
  EXPECT_EQ(counter.ends, 1);
  EXPECT_EQ(counter.steps.back().step, 60);
  EXPECT_EQ(counter.steps.back().total_tokens, 60 * 4 * kBlock);
  EXPECT_GT(counter.steps.back().gradient_norm, 0);
  EXPECT_GT(counter.steps.back().optimizer_share(), 0);
  EXPECT_LT(counter.steps.back().optimizer_share(), 1);
  std::vector<std::int64_t> evaluated;
  for (const auto& record : counter.evaluations) evaluated.push_back(record.step);
  EXPECT_EQ(evaluated, (std::vector<std::int64_t>{0, 20, 40, 60}));
  // Evaluations say how far training was, which is what runs are compared by.
  EXPECT_EQ(counter.evaluations[2].total_tokens, counter.steps[39].total_tokens);
  EXPECT_EQ(counter.evaluations[2].total_seconds, counter.steps[39].total_seconds);
  // An untrained model of 128 bytes is at log 128 = 4.85; six words have far less to tell.
  EXPECT_LT(counter.evaluations.back().loss, 0.7 * counter.evaluations.front().loss);
}

TEST(Trainer, AccumulatedGradientIsThatOfTheBigBatch) {
  const auto gradients = [](std::int64_t batch, std::int64_t accumulation) {
    auto routing = small_routing("sgd");
    routing.clip.max_norm.reset();  // clipping would scale them
    Small<double> small({.steps = 1, .batch_size = batch, .accumulation = accumulation}, routing);
    EXPECT_TRUE(small.trainer.advance());
    EXPECT_EQ(small.optimizer.steps(), 1);  // one step, not one a micro-batch
    std::vector<double> all;
    for (const auto& p : small.gpt.parameters()) {
      all.insert(all.end(), p.gradient, p.gradient + element_count(p.shape));
    }
    return all;
  };
  const auto parts = gradients(2, 3);
  const auto whole = gradients(6, 1);
  ASSERT_EQ(parts.size(), whole.size());
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    difference = std::max(difference, std::abs(parts[i] - whole[i]));
    scale = std::max(scale, std::abs(whole[i]));
  }
  EXPECT_GT(scale, 0);
  // Sums over 48 tokens in another order.
  EXPECT_LT(difference, 48 * std::numeric_limits<double>::epsilon() * scale);
}

TEST(Trainer, EvaluationAndThreadsDoNotTouchTraining) {
  const auto trained = [](std::int64_t eval_every, int count) {
    set_threads(count);
    Small<float> small({.steps = 6, .batch_size = 3, .accumulation = 2, .eval_every = eval_every});
    small.trainer.run();
    set_threads(0);
    return small.trainer.checkpoint();
  };
  const auto plain = trained(0, 1);
  for (const auto& other : {trained(1, 1), trained(0, 2), trained(2, 4)}) {
    EXPECT_TRUE(same(plain.weights, other.weights));
    EXPECT_TRUE(same(plain.optimizer, other.optimizer));
  }
}

TEST(Trainer, ClippingActsBeforeTheRule) {
  // SGD with momentum off moves by lr times the clipped gradient, whose norm is max_norm.
  auto routing = small_routing("sgd");
  routing.hidden.lr = 0.5;
  routing.clip.max_norm = 1e-3;
  Small<double> small({.steps = 1, .batch_size = 4}, routing);
  const auto before = small.gpt.weights();
  EXPECT_TRUE(small.trainer.advance());
  double moved = 0;
  for (const auto& [name, tensor] : small.gpt.weights()) {
    const auto now = tensor.as<double>();
    const auto then = before.at(name).as<double>();
    for (std::size_t i = 0; i < now.size(); ++i) moved += (now[i] - then[i]) * (now[i] - then[i]);
  }
  // Weights of order 1 lose digits where a small step is added: eps / (lr max_norm) relative.
  EXPECT_NEAR(std::sqrt(moved), 0.5e-3, 1e-9);
}

TEST(Trainer, RestoredAtEveryStepItGoesOnWithTheSameBits) {
  const TrainOptions options{.steps = 9, .batch_size = 2, .accumulation = 3, .eval_every = 4};
  const optim::Schedule schedule{
      .kind = optim::ScheduleKind::wsd, .warmup = 3, .floor = 0.1, .decay_fraction = 0.5};
  const test::TemporaryFolder folder;
  for (const std::string preset : {"muon+adamw", "regularized_muon+adamw", "adamw"}) {
    set_threads(1);
    Small<float> whole(options, small_routing(preset), schedule);
    whole.trainer.run();
    const auto expected = whole.trainer.checkpoint();
    for (std::int64_t stop_at = 0; stop_at < options.steps; ++stop_at) {
      set_threads(1);
      Small<float> first(options, small_routing(preset), schedule);
      EXPECT_EQ(first.trainer.run({}, [&] { return first.trainer.step() == stop_at; }),
                Ending::interrupted);
      const auto place = write_checkpoint(folder.path(), first.trainer.checkpoint(), 1);
      set_threads(2);
      Small<float> second(options, small_routing(preset), schedule);
      second.trainer.restore(read_checkpoint(place), place.string());
      EXPECT_EQ(second.trainer.run(), Ending::finished);
      const auto found = second.trainer.checkpoint();
      EXPECT_TRUE(same(expected.weights, found.weights)) << preset << " stopped at " << stop_at;
      EXPECT_TRUE(same(expected.optimizer, found.optimizer)) << preset << " at " << stop_at;
      EXPECT_EQ(expected.loop.data, found.loop.data);
      EXPECT_EQ(expected.loop.validation_loss, found.loop.validation_loss);
    }
  }
  set_threads(0);
}

TEST(Trainer, RefusesACheckpointOfAnotherModelOrRule) {
  Small<float> small({.steps = 2});
  small.trainer.run();
  const auto checkpoint = small.trainer.checkpoint();
  Small<float> other_rule({.steps = 2}, small_routing("adamw"));
  const auto before = other_rule.trainer.checkpoint();
  EXPECT_THROW(other_rule.trainer.restore(checkpoint, "saved"), ConfigError);
  EXPECT_TRUE(same(before.weights, other_rule.trainer.checkpoint().weights));
  Small<double> other_type({.steps = 2});
  EXPECT_THROW(other_type.trainer.restore(checkpoint, "saved"), ConfigError);
}

// Spoils a weight after one step and mends it once the trouble was told.
struct Spoiler final : Observer {
  model::Gpt<float>& gpt;
  std::int64_t spoil_after;
  float kept = 0;
  std::vector<TroubleRecord> told;

  Spoiler(model::Gpt<float>& g, std::int64_t after) : gpt(g), spoil_after(after) {}
  float& weight() { return gpt.parameters().front().weights[' ' * 8]; }
  void on_step(const StepRecord& record) override {
    if (record.step != spoil_after) return;
    kept = weight();
    weight() = kNaN;
  }
  void on_trouble(const TroubleRecord& record) override {
    told.push_back(record);
    weight() = kept;
  }
};

TEST(Trainer, SkipsAStepWhoseLossIsNotFinite) {
  Small<float> small({.steps = 6, .batch_size = 4, .non_finite = NonFinite::skip});
  Spoiler spoiler(small.gpt, 3);
  Observer* const observers[] = {&spoiler};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(small.trainer.advance(observers));
  const auto state = small.optimizer.state();
  EXPECT_TRUE(small.trainer.advance(observers));
  ASSERT_EQ(spoiler.told.size(), 1u);
  EXPECT_EQ(spoiler.told[0].what, "loss");
  EXPECT_EQ(spoiler.told[0].step, 4);
  EXPECT_FALSE(spoiler.told[0].stops);
  EXPECT_TRUE(same(state, small.optimizer.state()));
  EXPECT_EQ(small.trainer.state().skipped, 1);
  EXPECT_EQ(small.trainer.run(observers), Ending::finished);
  EXPECT_EQ(small.trainer.state().in_a_row, 0);
  EXPECT_TRUE(std::isfinite(small.trainer.evaluate()));
}

// The gradient of a tensor beside the model's, filled by the test.
struct Extra {
  std::vector<float> weights = std::vector<float>(16, 0.5f);
  std::vector<float> gradient = std::vector<float>(16, 0.25f);
  Parameter<float> parameter() {
    return {.name = "extra",
            .shape = {4, 4},
            .weights = weights.data(),
            .gradient = gradient.data(),
            .role = Role::head};
  }
};

TEST(Trainer, SkipsAGradientThatIsNotFiniteAndNamesIt) {
  Extra extra;
  Small<float> small({.steps = 20, .non_finite = NonFinite::skip, .max_skips = 3}, small_routing(),
                     {}, {extra.parameter()});
  EXPECT_TRUE(small.trainer.advance());
  const auto weights = small.gpt.weights();
  const auto state = small.optimizer.state();
  extra.gradient[7] = kNaN;
  EXPECT_TRUE(small.trainer.advance());
  ASSERT_TRUE(small.trainer.trouble());
  EXPECT_EQ(small.trainer.trouble()->what, "gradient");
  EXPECT_EQ(small.trainer.trouble()->tensor, "extra");
  EXPECT_TRUE(same(weights, small.gpt.weights()));
  EXPECT_TRUE(same(state, small.optimizer.state()));
  // Too many in a row end the run, with a state that is still good.
  EXPECT_EQ(small.trainer.run(), Ending::non_finite);
  EXPECT_EQ(small.trainer.state().in_a_row, 3);
  EXPECT_TRUE(small.trainer.trouble()->stops);
  EXPECT_TRUE(small.trainer.intact());
  EXPECT_TRUE(same(weights, small.gpt.weights()));
}

TEST(Trainer, StopsAtOnceWhereAskedTo) {
  Extra extra;
  extra.gradient[0] = kNaN;
  Small<float> small({.steps = 20, .non_finite = NonFinite::stop}, small_routing(), {},
                     {extra.parameter()});
  Counter counter;
  Observer* const observers[] = {&counter};
  EXPECT_EQ(small.trainer.run(observers), Ending::non_finite);
  EXPECT_EQ(counter.steps.size(), 1u);
  EXPECT_TRUE(counter.steps[0].skipped);
  EXPECT_EQ(counter.ends, 1);
  EXPECT_TRUE(small.trainer.intact());
}

TEST(Trainer, AnUpdateThatOverflowsIsNeverSkippedOver) {
  Extra extra;
  extra.weights.assign(16, 3e38f);
  extra.gradient.assign(16, -1e38f);
  auto routing = small_routing("sgd");
  routing.clip.max_norm.reset();
  optim::GroupOptions group;
  group.rule = "sgd";
  group.lr = 10;
  group.patterns = {"extra"};
  routing.groups.push_back(group);
  Small<float> small({.steps = 20, .non_finite = NonFinite::skip}, routing, {},
                     {extra.parameter()});
  EXPECT_EQ(small.trainer.run(), Ending::non_finite);
  EXPECT_EQ(small.trainer.trouble()->what, "update");
  EXPECT_EQ(small.trainer.trouble()->tensor, "extra");
  EXPECT_FALSE(small.trainer.intact());
  EXPECT_EQ(extra.weights[0], 3e38f);  // as it was
}

TEST(Trainer, TensorPolicyOfTheOptimizerLeavesOneTensorOut) {
  Extra extra;
  extra.gradient[3] = kNaN;
  auto routing = small_routing();
  routing.non_finite = optim::NonFinite::tensor;
  Small<float> small({.steps = 2, .non_finite = NonFinite::stop}, routing, {}, {extra.parameter()});
  Counter counter;
  Observer* const observers[] = {&counter};
  EXPECT_EQ(small.trainer.run(observers), Ending::finished);
  EXPECT_EQ(counter.warnings, (std::vector<std::string>{"extra", "extra"}));
  EXPECT_EQ(extra.weights[3], 0.5f);
}

}  // namespace
}  // namespace muonflow::train
