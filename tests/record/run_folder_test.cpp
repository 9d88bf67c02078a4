#include "muonflow/record/run_folder.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::record {
namespace {

using test::message_of;
using test::TemporaryFolder;

Json step_event(std::int64_t step) { return {{"kind", "step"}, {"step", step}}; }

// A run of five steps, each with an event and a metric.
void write_run(const std::filesystem::path& path) {
  auto run = RunFolder::create(path, {{"seed", 1}}, "a = 1\n");
  for (std::int64_t step = 1; step <= 5; ++step) {
    run.event(step_event(step));
    run.metric(step, "loss", 1.0 / static_cast<double>(step));
  }
}

TEST(RunFolder, HoldsItsFilesFromTheBeginning) {
  const TemporaryFolder folder;
  const auto run = RunFolder::create(folder / "runs/first", {{"seed", 1}}, "a = 1\n");
  EXPECT_EQ(run.path(), folder / "runs/first");
  EXPECT_EQ(run.checkpoints(), folder / "runs/first/checkpoints");
  EXPECT_EQ(read_text_file(run.path() / "manifest.json"), "{\n  \"seed\": 1\n}\n");
  EXPECT_EQ(read_text_file(run.path() / "config.toml"), "a = 1\n");
  EXPECT_EQ(read_text_file(run.path() / "events.jsonl"), "");
  EXPECT_EQ(read_text_file(run.path() / "metrics.csv"), "step,name,value\n");
}

TEST(RunFolder, EveryLineIsThereAtOnce) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {}, "");
  run.event(step_event(1));
  EXPECT_EQ(read_text_file(run.path() / "events.jsonl"), "{\"kind\":\"step\",\"step\":1}\n");
  run.metric(1, "loss", 0.25);
  run.metric(1, "norm", std::nan(""));
  EXPECT_EQ(read_text_file(run.path() / "metrics.csv"), "step,name,value\n1,loss,0.25\n1,norm,\n");
  EXPECT_THROW(run.event({{"kind", "step"}}), DataError);
  EXPECT_EQ(read_text_file(run.path() / "events.jsonl"), "{\"kind\":\"step\",\"step\":1}\n");
}

TEST(RunFolder, SummaryAndConfigAreReplaced) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {}, "a = 1\n");
  run.summary({{"loss", 1}});
  run.summary({{"loss", 2}});
  run.config("a = 2\n");
  EXPECT_EQ(read_text_file(run.path() / "summary.json"), "{\n  \"loss\": 2\n}\n");
  EXPECT_EQ(read_text_file(run.path() / "config.toml"), "a = 2\n");
}

TEST(RunFolder, ResumingTellsNoStepTwice) {
  const TemporaryFolder folder;
  write_run(folder / "run");
  {
    auto run = RunFolder::open(folder / "run", 3);
    run.event(step_event(4));
    run.metric(4, "loss", 9);
  }
  EXPECT_EQ(read_text_file(folder / "run/events.jsonl"),
            "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"step\",\"step\":2}\n"
            "{\"kind\":\"step\",\"step\":3}\n{\"kind\":\"step\",\"step\":4}\n");
  EXPECT_EQ(read_text_file(folder / "run/metrics.csv"),
            "step,name,value\n1,loss,1\n2,loss,0.5\n3,loss,0.3333333333333333\n4,loss,9\n");
}

TEST(RunFolder, ResumingFromTheStartKeepsNothing) {
  const TemporaryFolder folder;
  write_run(folder / "run");
  (void)RunFolder::open(folder / "run", -1);
  EXPECT_EQ(read_text_file(folder / "run/events.jsonl"), "");
  EXPECT_EQ(read_text_file(folder / "run/metrics.csv"), "step,name,value\n");
}

TEST(RunFolder, ResumingDropsLinesThatWereCutOff) {
  const TemporaryFolder folder;
  write_run(folder / "run");
  for (const auto* name : {"run/events.jsonl", "run/metrics.csv"}) {
    const auto text = read_text_file(folder / name);
    write_file(folder / name, text.substr(0, text.size() - 3));
  }
  {
    auto run = RunFolder::open(folder / "run", 5);
    run.event(step_event(6));
  }
  EXPECT_EQ(read_text_file(folder / "run/events.jsonl"),
            "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"step\",\"step\":2}\n"
            "{\"kind\":\"step\",\"step\":3}\n{\"kind\":\"step\",\"step\":4}\n"
            "{\"kind\":\"step\",\"step\":6}\n");
  const auto metrics = read_text_file(folder / "run/metrics.csv");
  EXPECT_TRUE(metrics.ends_with("\n4,loss,0.25\n")) << metrics;
}

TEST(RunFolder, NothingIsOverwritten) {
  const TemporaryFolder folder;
  write_run(folder / "run");
  const auto before = read_text_file(folder / "run/events.jsonl");
  EXPECT_EQ(message_of<ConfigError>([&] { (void)RunFolder::create(folder / "run", {}, ""); }),
            (folder / "run").string() +
                ": the folder is not empty (choose another one, or resume the run that is there)");
  EXPECT_EQ(read_text_file(folder / "run/events.jsonl"), before);
  write_file(folder / "file", "x");
  EXPECT_EQ(message_of<ConfigError>([&] { (void)RunFolder::create(folder / "file", {}, ""); }),
            (folder / "file").string() + ": expected a folder, found a file");
  EXPECT_THROW((void)RunFolder::create(folder / "file/run", {}, ""), IoError);
}

TEST(RunFolder, OneProcessWritesAtATime) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {}, "");
  EXPECT_EQ(message_of<IoError>([&] { (void)RunFolder::open(folder / "run", 0); }),
            (folder / "run").string() +
                ": another process is writing this run (wait for it, or choose another folder)");
  {
    const RunFolder moved = std::move(run);
    EXPECT_THROW((void)RunFolder::open(folder / "run", 0), IoError);
  }
  EXPECT_NO_THROW((void)RunFolder::open(folder / "run", 0));
}

TEST(RunFolder, OpeningSaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<IoError>([&] { (void)RunFolder::open(folder / "no", 0); }),
            (folder / "no").string() + ": cannot be opened: No such file or directory");
  std::filesystem::create_directory(folder / "empty");
  EXPECT_EQ(
      message_of<IoError>([&] { (void)RunFolder::open(folder / "empty", 0); }),
      (folder / "empty/manifest.json").string() + ": cannot be read: No such file or directory");
}

TEST(RunFolder, AFullDiskIsNamed) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {}, "");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{20, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const auto message = message_of<IoError>([&] { run.event(step_event(1)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message,
            (run.path() / "events.jsonl").string() + ": cannot be written: File too large");
}

}  // namespace
}  // namespace muonflow::record
