#include "muonflow/report/training_run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::TemporaryFolder;

TEST(RunningMean, ForgetsItsStartWithoutBias) {
  const auto flat = running_mean({2, 2, 2}, 10);
  for (const double value : flat) EXPECT_NEAR(value, 2, 1e-15);
  EXPECT_EQ(running_mean({5, 1}, 1), (std::vector<double>{5, 1}));
  // Weights (1 - 1/w) and 1, normalized.
  EXPECT_NEAR(running_mean({0, 1}, 2)[1], 2.0 / 3, 1e-15);
}

TEST(RunningMean, PassesOverValuesThatAreNotFinite) {
  const auto mean = running_mean({std::nan(""), 1, std::nan(""), 1}, 4);
  EXPECT_TRUE(std::isnan(mean[0]));
  EXPECT_EQ(mean[2], 1);
  EXPECT_EQ(mean[3], 1);
}

TEST(WindowedRatio, DividesSumsAndNotRatios) {
  // One long step among short ones: 3 tokens in 12 seconds, not the mean of 1, 1 and 0.1.
  EXPECT_EQ(windowed_ratio({1, 1, 1}, {1, 1, 10}, 3).back(), 0.25);
  EXPECT_EQ(windowed_ratio({1, 1, 1}, {1, 1, 10}, 1), (std::vector<double>{1, 1, 0.1}));
  EXPECT_EQ(windowed_ratio({std::nan(""), 2}, {5, 4}, 2).back(), 0.5);
  EXPECT_TRUE(std::isnan(windowed_ratio({1}, {0}, 2).back()));
  EXPECT_EQ(increments({2, 5, 5}), (std::vector<double>{2, 3, 0}));
}

TEST(ReadTraining, ColumnsAgreeWithWhatWasWritten) {
  TemporaryFolder folder;
  test::write_training_run(folder / "a", {.steps = 100, .done = 100});
  const auto run = training_run(record::RunReader::open(folder / "a"), "a");
  EXPECT_EQ(run.name, "a");
  EXPECT_EQ(run.data_label(), "austen");
  EXPECT_EQ(run.state, "");
  ASSERT_EQ(run.loss.size(), 100U);
  EXPECT_EQ(run.at_step.step.back(), 100);
  EXPECT_EQ(run.at_step.tokens.back(), 100 * 2048);
  EXPECT_EQ(run.validation.size(), 5U);  // 0, 25, 50, 75, 100
  EXPECT_EQ(run.smoothing, 2);
  EXPECT_NEAR(run.mean_optimizer_share(), 0.2, 0.02);
  EXPECT_NEAR(run.mean_throughput(), run.at_step.tokens.back() / run.at_step.seconds.back(), 1e-9);
  EXPECT_NEAR(run.throughput_curve().back(), run.mean_throughput(), 0.1 * run.mean_throughput());
  EXPECT_NEAR(run.optimizer_share_curve()[50], 0.2, 0.02);
  EXPECT_EQ(run.best_validation(), run.final_validation());
  EXPECT_NEAR(run.final_loss(), run.loss.back(), 0.3);
  EXPECT_FALSE(run.sample.empty());
}

TEST(ReadTraining, RatesAreThoseOfTheRuleWithMostParameters) {
  TemporaryFolder folder;
  test::write_training_run(folder / "a", {.lr = 0.05, .steps = 100, .done = 60});
  const auto run = training_run(record::RunReader::open(folder / "a"), "a");
  EXPECT_EQ(run.routing.size(), 13U);
  ASSERT_EQ(run.rules.size(), 2U);
  EXPECT_EQ(run.rules[0].rule, "muon");
  EXPECT_EQ(run.rules[0].tensors, 8U);
  EXPECT_EQ(run.rules[0].parameters, 4 * (384 + 512) * 128);
  EXPECT_EQ(run.lr[30], 0.05);  // past the warmup, before the decay
  EXPECT_EQ(run.routing[2].shape, "384 × 128");
  EXPECT_NE(run.state.find("step 60 of 100"), std::string::npos);
}

TEST(ReadTraining, AnEmptyRunIsNoTrouble) {
  TemporaryFolder folder;
  record::RunFolder::create(folder / "a", Json::object(), "");
  const auto run = training_run(record::RunReader::open(folder / "a"), "a");
  EXPECT_TRUE(run.loss.empty());
  EXPECT_TRUE(std::isnan(run.final_loss()));
  EXPECT_TRUE(std::isnan(run.best_validation()));
  EXPECT_TRUE(std::isnan(run.mean_throughput()));
  EXPECT_TRUE(std::isnan(run.mean_optimizer_share()));
  EXPECT_FALSE(run.state.empty());
}

TEST(ReadTraining, TroubleIsRemarked) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "train"}}, "");
    file.event({{"kind", "step"}, {"step", 1}, {"loss", nullptr}});
    file.event({{"kind", "trouble"},
                {"step", 2},
                {"what", "gradient"},
                {"tensor", "w"},
                {"how", "not finite"},
                {"stops", true}});
    file.event({{"kind", "warning"}, {"step", 3}, {"tensor", "v"}, {"text", "rank 1"}});
    file.event({{"kind", "end"}, {"step", 2}, {"ending", "non-finite"}});
  }
  const auto run = training_run(record::RunReader::open(folder / "a"), "a");
  ASSERT_EQ(run.remarks.size(), 2U);
  EXPECT_EQ(run.remarks[0], "step 2: gradient in w not finite; the run stopped");
  EXPECT_EQ(run.remarks[1], "step 3: v: rank 1");
  EXPECT_TRUE(std::isnan(run.loss[0]));
  EXPECT_NE(run.state.find("not finite"), std::string::npos);
}

TEST(ReadTraining, ClippedHeadsAndMessagesAreRemarked) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "train"}}, "");
    const auto step = [&](int number, const Json& logit, int heads) {
      file.event({{"kind", "step"},
                  {"step", number},
                  {"loss", 1.0},
                  {"max_logit", logit},
                  {"clipped_heads", heads},
                  {"message_bytes", 640}});
    };
    step(1, 3.5, 0);
    step(2, 120.25, 3);
    step(3, nullptr, 0);  // a step whose loss was not finite
    step(4, 101, 2);
  }
  const auto run = training_run(record::RunReader::open(folder / "a"), "a");
  ASSERT_GE(run.remarks.size(), 2U);
  EXPECT_EQ(run.remarks[0],
            "QK-clip: 5 heads scaled down in 2 of 3 recorded steps, at most 3 in one; largest "
            "attention logit 120.2");
  EXPECT_EQ(run.remarks[1], "error feedback: 640 bytes of compressed gradients a step");
}

}  // namespace
}  // namespace muonflow::report
