#include "muonflow/train/recorder.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/train/checkpoint.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::train {
namespace {

struct Stopped final : Saveable {
  std::int64_t step() const override { return 4; }
  bool intact() const override { return true; }
  Checkpoint checkpoint() const override { return {}; }
};

TEST(Recorder, WritesTheVocabularyOfTheRunFolder) {
  const test::TemporaryFolder folder;
  auto run = record::RunFolder::create(folder / "run", Json::object(), "");
  Recorder recorder(run, 2);
  for (std::int64_t step = 1; step <= 5; ++step) {
    recorder.on_step({.step = step,
                      .total = 5,
                      .loss = step == 4 ? std::numeric_limits<double>::quiet_NaN() : 2.5,
                      .gradient_norm = 0.5,
                      .schedule = 0.25,
                      .tokens = 100,
                      .seconds = 0.1,
                      .optimizer_seconds = 0.02,
                      .total_tokens = 100 * step,
                      .total_seconds = 0.1 * static_cast<double>(step)});
  }
  recorder.on_step(
      {.step = 6, .total = 6, .max_logit = 12.5, .clipped_heads = 3, .message_bytes = 77});
  recorder.on_evaluation({.step = 4, .loss = 2.25, .total_tokens = 400, .total_seconds = 0.4});
  recorder.on_trouble({.step = 4, .what = "gradient", .tensor = "w", .in_a_row = 2});
  recorder.on_warning(4, "w", "odd");
  recorder.on_end(Ending::interrupted, Stopped{});

  const auto reader = record::RunReader::open(folder / "run");
  std::vector<std::int64_t> steps;
  for (const auto* event : reader.events("step")) steps.push_back((*event)["step"]);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4, 5, 6}));  // every second one, and the last
  const auto& last = *reader.events("step")[2];
  EXPECT_EQ(last["tokens"], 500);
  EXPECT_EQ(last["lr"], 0.25);
  EXPECT_EQ(last["grad_norm"], 0.5);
  EXPECT_FALSE(last.contains("max_logit"));
  EXPECT_EQ((*reader.last("step"))["max_logit"], 12.5);
  EXPECT_EQ((*reader.last("step"))["clipped_heads"], 3);
  EXPECT_EQ((*reader.last("step"))["message_bytes"], 77);
  EXPECT_FALSE(last.contains("message_bytes"));
  EXPECT_DOUBLE_EQ(last["tokens_per_second"].get<double>(), 1000);
  EXPECT_DOUBLE_EQ(last["optimizer_share"].get<double>(), 0.2);
  EXPECT_TRUE((*reader.events("step")[1])["loss"].is_null());
  EXPECT_EQ((*reader.last("validation"))["loss"], 2.25);
  EXPECT_EQ((*reader.last("validation"))["tokens"], 400);
  const auto& trouble = *reader.last("trouble");
  EXPECT_EQ(trouble["what"], "gradient");
  EXPECT_EQ(trouble["tensor"], "w");
  EXPECT_EQ(trouble["in_a_row"], 2);
  EXPECT_EQ(trouble["stops"], false);
  EXPECT_EQ((*reader.last("warning"))["text"], "odd");
  EXPECT_EQ((*reader.last("end"))["ending"], "interrupted");
  const auto metrics = read_text_file(folder / "run" / "metrics.csv");
  EXPECT_NE(metrics.find("4,validation/loss,2.25"), std::string::npos);
  EXPECT_NE(metrics.find("5,train/loss,2.5"), std::string::npos);
}

}  // namespace
}  // namespace muonflow::train
