#include "muonflow/train/run.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/record/reader.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/expect_in.hpp"
#include "tests/train/small.hpp"

namespace muonflow::train {
namespace {

namespace fs = std::filesystem;
using muonflow::test::message_of;
using muonflow::test::TemporaryFolder;

class TrainRun : public ::testing::Test {
 protected:
  TrainRun() {
    write_file(folder / "text.txt", small_text(3000));
    config.data.path = folder / "text.txt";
    config.model.gpt = small_gpt();
    config.optimizer = small_routing();
    config.train = {
        .steps = 8, .batch_size = 2, .eval_every = 4, .eval_batches = 2, .checkpoint_every = 3};
    config.sample = {.length = 12, .prompt = "the ", .temperature = 0.8};
  }

  TensorMap final_weights(const fs::path& run) const {
    return read_safetensors(run / "checkpoints" / "step-000008" / "weights.safetensors").tensors;
  }

  TemporaryFolder folder;
  TrainConfig config;
};

TEST_F(TrainRun, LeavesAWholeRunFolder) {
  auto run = Run::start(config, folder / "run", {.command = "test"});
  EXPECT_FALSE(run.finished());
  const auto result = run.execute();
  EXPECT_TRUE(run.finished());
  EXPECT_EQ(result.ending, Ending::finished);
  EXPECT_EQ(result.step, 8);
  EXPECT_EQ(result.tokens, 8 * 2 * kBlock);
  EXPECT_EQ(result.checkpoint, folder / "run" / "checkpoints" / "step-000008");
  EXPECT_TRUE(result.sample.starts_with("the "));

  const auto reader = record::RunReader::open(folder / "run");
  EXPECT_EQ(reader.manifest()["command"], "test");
  EXPECT_EQ(reader.manifest()["config"]["train"]["steps"], 8);
  EXPECT_EQ(reader.manifest()["parameters"], run.preview().parameters);
  EXPECT_EQ((*reader.last("routing"))["rows"].size(), run.preview().routing.rows.size());
  EXPECT_EQ(reader.events("step").size(), 8u);
  EXPECT_EQ(reader.events("validation").size(), 3u);  // 0, 4, 8
  EXPECT_EQ(reader.events("checkpoint").size(), 3u);  // 3, 6, 8
  EXPECT_EQ((*reader.last("sample"))["text"], result.sample);
  ASSERT_NE(reader.summary(), nullptr);
  EXPECT_EQ((*reader.summary())["ending"], "finished");
  EXPECT_EQ((*reader.summary())["checkpoint"], "checkpoints/step-000008");
  EXPECT_EQ((*reader.summary())["validation_loss"], *result.validation_loss);
  const auto resolved = read_config(Config::from_file(folder / "run" / "config.toml"));
  EXPECT_TRUE(differing_keys(config, resolved).empty());
}

TEST_F(TrainRun, PreviewWritesNothingAndCounts) {
  const auto entries = folder.entries();
  const auto preview = Run::preview(config);
  EXPECT_EQ(folder.entries(), entries);
  EXPECT_EQ(preview.tokens_per_step, 2 * kBlock);
  EXPECT_EQ(preview.total_tokens, 8 * 2 * kBlock);
  EXPECT_EQ(preview.training_bytes + preview.validation_bytes, 3000);
  EXPECT_EQ(preview.memory.weights, static_cast<std::size_t>(preview.parameters) * sizeof(float));
  expect_in("muon lr 0.02 on 4 tensors", preview.routing_summary());
  expect_in("adamw lr 0.003", preview.routing_summary());
}

TEST_F(TrainRun, InterruptedAndResumedItEndsWithTheSameBits) {
  Run::start(config, folder / "whole").execute();
  for (std::int64_t stop_after = 0; stop_after < 8; ++stop_after) {
    const auto place = folder / ("parts" + std::to_string(stop_after));
    std::int64_t asked = 0;
    const auto first = Run::start(config, place).execute({}, [&] { return asked++ == stop_after; });
    EXPECT_EQ(first.ending, Ending::interrupted);
    EXPECT_EQ(first.step, stop_after);
    auto second = Run::resume(place);
    EXPECT_EQ(second.step(), stop_after);
    EXPECT_TRUE(second.same_kernels());
    EXPECT_EQ(second.execute().ending, Ending::finished);
    EXPECT_TRUE(same(final_weights(folder / "whole"), final_weights(place))) << stop_after;
    // No step is told twice, and the resumption is told.
    const auto reader = record::RunReader::open(place);
    EXPECT_EQ(reader.events("step").size(), 8u) << stop_after;
    EXPECT_EQ(reader.events("validation").size(), 3u) << stop_after;
    EXPECT_EQ(reader.events("resume").size(), 1u);
    EXPECT_EQ(reader.events("routing").size(), 1u);
  }
}

TEST_F(TrainRun, WithoutACheckpointItStartsOver) {
  Run::start(config, folder / "whole").execute();
  { const auto left = Run::start(config, folder / "run"); }  // as if killed at once
  auto run = Run::resume(folder / "run");
  EXPECT_EQ(run.step(), 0);
  run.execute();
  EXPECT_TRUE(same(final_weights(folder / "whole"), final_weights(folder / "run")));
}

TEST_F(TrainRun, AFinishedRunIsLeftAloneAndMayBeGivenMoreSteps) {
  Run::start(config, folder / "run").execute();
  const auto before = read_text_file(folder / "run" / "events.jsonl");
  EXPECT_TRUE(Run::resume(folder / "run").finished());
  EXPECT_EQ(read_text_file(folder / "run" / "events.jsonl"), before);
  auto longer = Run::resume(folder / "run", {.assignments = {"train.steps=11"}});
  EXPECT_FALSE(longer.finished());
  EXPECT_EQ(longer.execute().step, 11);
  // The folder remembers: it is finished at its new length.
  EXPECT_TRUE(Run::resume(folder / "run").finished());
  EXPECT_EQ(read_config(Config::from_file(folder / "run" / "config.toml")).train.steps, 11);
  expect_in("11 steps already done", message_of<ConfigError>([&] {
              Run::resume(folder / "run", {.assignments = {"train.steps=8"}});
            }));
}

TEST_F(TrainRun, KilledBetweenTheLastCheckpointAndTheSummaryItFinishes) {
  Run::start(config, folder / "run").execute();
  fs::remove(folder / "run" / "summary.json");
  auto run = Run::resume(folder / "run");
  EXPECT_FALSE(run.finished());
  EXPECT_FALSE(run.execute().sample.empty());
  EXPECT_TRUE(fs::exists(folder / "run" / "summary.json"));
}

TEST_F(TrainRun, AResumedRunCannotBecomeAnother) {
  std::int64_t asked = 0;
  Run::start(config, folder / "run").execute({}, [&] { return asked++ == 4; });
  const auto refused = [&](const std::string& assignment) {
    return message_of<ConfigError>(
        [&] { Run::resume(folder / "run", {.assignments = {assignment}}); });
  };
  expect_in("--set model.n_layer", refused("model.n_layer=2"));
  expect_in("'optimizer.preset'", refused("optimizer.preset=\"adamw\""));
  expect_in("'train.batch_size'", refused("train.batch_size=3"));
  expect_in("'run.seed'", refused("run.seed=9"));
  // A configuration given beside it must agree, and names its own line where it does not.
  auto text = to_toml(config);
  Run::Changes changes{.config = Config::from_text(text, "given.toml")};
  EXPECT_EQ(Run::resume(folder / "run", changes).step(), 4);
  text.replace(text.find("n_embd = 8"), 10, "n_embd = 4");
  changes.config = Config::from_text(text, "given.toml");
  expect_in("given.toml:", message_of<ConfigError>([&] { Run::resume(folder / "run", changes); }));
  // A checkpoint of another rule under the same configuration.
  fs::copy(folder / "run", folder / "mixed", fs::copy_options::recursive);
  auto other = config;
  other.optimizer.preset = "adamw";
  write_file(folder / "mixed" / "config.toml", to_toml(other));
  expect_in("optimizer.safetensors",
            message_of<ConfigError>([&] { Run::resume(folder / "mixed"); }));
}

TEST_F(TrainRun, FoldersThatCannotBeUsed) {
  Run::start(config, folder / "run").execute();
  expect_in("--resume", message_of<ConfigError>([&] { Run::start(config, folder / "run"); }));
  fs::create_directory(folder / "full");
  write_file(folder / "full" / "mine", "text");
  expect_in("not empty", message_of<ConfigError>([&] { Run::start(config, folder / "full"); }));
  expect_in("cannot",
            message_of<IoError>([&] { Run::start(config, folder / "text.txt" / "run"); }));
  expect_in("no such folder", message_of<IoError>([&] { Run::resume(folder / "none"); }));
  expect_in("manifest.json", message_of<IoError>([&] { Run::resume(folder / "full"); }));
}

TEST_F(TrainRun, TextsThatCannotBeUsed) {
  const auto refused = [&](const std::string& text) {
    write_file(folder / "text.txt", text);
    return message_of<DataError>([&] { Run::preview(config); });
  };
  expect_in("empty", refused(""));
  auto message = refused(small_text(1000) + "\xc3\xa9");
  expect_in("byte 195 at offset", message);
  expect_in("model.vocab_size = 128", message);
  message = refused("short");
  expect_in("text.txt", message);
  expect_in("block_size", message);
  config.data.path = folder / "none.txt";
  expect_in("none.txt", message_of<IoError>([&] { Run::preview(config); }));
  config.data.path.clear();
  config.data.name = "austin";
  expect_in("austen", message_of<ConfigError>([&] { Run::preview(config); }));
}

TEST_F(TrainRun, DamagedCheckpointIsAnErrorAndAnUnfinishedOneIsPassedOver) {
  Run::start(config, folder / "run").execute();
  const auto checkpoints = folder / "run" / "checkpoints";
  // Cut short: its size is not the one that state.json tells, so the one before is the newest.
  fs::resize_file(checkpoints / "step-000008" / "weights.safetensors", 100);
  EXPECT_EQ(Run::resume(folder / "run").step(), 6);
  fs::resize_file(checkpoints / "step-000006" / "optimizer.safetensors", 100);
  EXPECT_EQ(Run::resume(folder / "run").step(), 0);
}

TEST_F(TrainRun, DoublePrecisionIsAChoice) {
  config.run.dtype = FloatType::float64;
  Run::start(config, folder / "run").execute();
  EXPECT_EQ(final_weights(folder / "run").begin()->second.dtype, Dtype::f64);
}

}  // namespace
}  // namespace muonflow::train
