#include "muonflow/train/checkpoint.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/small.hpp"

namespace muonflow::train {
namespace {

using test::message_of;
using test::TemporaryFolder;

Checkpoint trained_checkpoint() {
  Small<float> small({.steps = 3}, small_routing(),
                     {.kind = optim::ScheduleKind::cosine, .warmup = 2});
  small.trainer.run();
  small.trainer.describe("[run]\nname = \"x\"\n");
  return small.trainer.checkpoint();
}

TEST(Checkpoint, ReadsBackAsItWasWritten) {
  const TemporaryFolder folder;
  const auto written = trained_checkpoint();
  const auto place = write_checkpoint(folder.path(), written, 0);
  EXPECT_EQ(place.filename(), "step-000003");
  const auto found = read_checkpoint(place);
  EXPECT_TRUE(same(written.weights, found.weights));
  EXPECT_TRUE(same(written.optimizer, found.optimizer));
  EXPECT_EQ(found.loop.step, 3);
  EXPECT_EQ(found.loop.data, written.loop.data);
  EXPECT_GT(found.loop.data.examples, 0);
  EXPECT_EQ(found.loop.tokens, written.loop.tokens);
  EXPECT_EQ(found.loop.seconds, written.loop.seconds);
  EXPECT_EQ(found.loop.loss, written.loop.loss);
  EXPECT_EQ(found.loop.validation_loss, written.loop.validation_loss);
  EXPECT_EQ(found.schedule.kind, optim::ScheduleKind::cosine);
  EXPECT_EQ(found.schedule.warmup, 2);
  EXPECT_EQ(found.steps, 3);
  EXPECT_EQ(found.config, written.config);
  EXPECT_EQ(found.kernels, kernel_plan());
}

TEST(Checkpoint, WeightsHaveTheNamesOfNanoGpt) {
  const TemporaryFolder folder;
  const auto place = write_checkpoint(folder.path(), trained_checkpoint(), 0);
  const auto weights = read_safetensors(place / "weights.safetensors").tensors;
  EXPECT_EQ(weights.at("transformer.h.0.attn.c_attn.weight").shape, (Shape{24, 8}));
  EXPECT_TRUE(weights.contains("transformer.wte.weight"));
  EXPECT_FALSE(weights.contains("lm_head.weight"));  // tied
}

TEST(Checkpoint, DamageIsNamed) {
  const TemporaryFolder folder;
  const auto place = write_checkpoint(folder.path(), trained_checkpoint(), 0);
  const auto state = read_text_file(place / "state.json");
  const auto altered = [&](const std::string& from, const std::string& to) {
    auto text = state;
    text.replace(text.find(from), from.size(), to);
    write_file(place / "state.json", text);
    return message_of<IoError>([&] { read_checkpoint(place); });
  };
  EXPECT_NE(altered("\"format\": 1", "\"format\": 2").find("format 2"), std::string::npos);
  EXPECT_NE(altered("\"tokens\"", "\"tokes\"").find("state.json"), std::string::npos);
  EXPECT_NE(altered("\"cosine\"", "\"cosinus\"").find("cosinus"), std::string::npos);
  EXPECT_NE(altered("\"examples\": ", "\"examples\": -").find("examples"), std::string::npos);
  write_file(place / "state.json", state);
  write_file(place / "weights.safetensors", "short");
  EXPECT_NE(message_of<IoError>([&] { read_checkpoint(place); }).find("weights.safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace muonflow::train
