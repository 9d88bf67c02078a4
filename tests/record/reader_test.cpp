#include "muonflow/record/reader.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "muonflow/core/file.hpp"
#include "muonflow/record/run_folder.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::record {
namespace {

using test::message_of;
using test::TemporaryFolder;

void write_steps(const std::filesystem::path& path) {
  auto run = RunFolder::create(path, {{"seed", 1}}, "a = 1\n");
  run.event({{"kind", "step"}, {"step", 1}, {"loss", 4.0}});
  run.event({{"kind", "validation"}, {"step", 1}, {"loss", 5.0}});
  run.event({{"kind", "step"}, {"step", 2}, {"loss", std::nan("")}});
  run.event({{"kind", "step"}, {"step", 3}, {"loss", 2.5}});
}

TEST(RunReader, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  const auto run = RunReader::open(folder / "run");
  EXPECT_EQ(run.name(), "run");
  EXPECT_EQ(run.manifest()["seed"], 1);
  EXPECT_EQ(run.config_toml(), "a = 1\n");
  EXPECT_EQ(run.summary(), nullptr);  // it has not ended
  EXPECT_EQ(run.events().size(), 4u);
  EXPECT_EQ(run.events("step").size(), 3u);
  EXPECT_EQ((*run.last("validation"))["loss"], 5.0);
  EXPECT_EQ(run.last("routing"), nullptr);
  EXPECT_TRUE(run.remarks().empty());
}

TEST(RunReader, SeriesLeaveOutWhatWasNotMeasured) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  const auto series = RunReader::open(folder / "run").series("step", "step", "loss");
  EXPECT_EQ(series.x, (std::vector<double>{1, 3}));
  EXPECT_EQ(series.y, (std::vector<double>{4, 2.5}));
  EXPECT_TRUE(RunReader::open(folder / "run").series("step", "step", "no").x.empty());
}

TEST(RunReader, CopiesShareWhatWasRead) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  std::optional<RunReader> first = RunReader::open(folder / "run");
  const auto* event = first->last("step");
  const RunReader copy = *first;
  first.reset();
  EXPECT_EQ(copy.last("step"), event);
  EXPECT_EQ((*event)["loss"], 2.5);
}

TEST(RunReader, ReadsARunThatWasKilled) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  const auto text = read_text_file(folder / "run/events.jsonl");
  write_file(folder / "run/events.jsonl", text.substr(0, text.size() - 5));
  const auto run = RunReader::open(folder / "run");
  EXPECT_EQ(run.events().size(), 3u);
  ASSERT_EQ(run.remarks().size(), 1u);
  EXPECT_EQ(run.remarks()[0],
            (folder / "run/events.jsonl").string() + ":4: the last line is cut off");
}

TEST(RunReader, NeedsTheManifestOnly) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  RunFolder::open(folder / "run", 9).summary({{"ending", "finished"}});
  EXPECT_EQ((*RunReader::open(folder / "run").summary())["ending"], "finished");
  for (const auto* name : {"events.jsonl", "metrics.csv", "config.toml", "summary.json"}) {
    std::filesystem::remove(folder / "run" / name);
  }
  const auto bare = RunReader::open(folder / "run");
  EXPECT_TRUE(bare.events().empty());
  EXPECT_EQ(bare.config_toml(), "");
}

TEST(RunReader, NamesItselfHoweverItsPathIsWritten) {
  const TemporaryFolder folder;
  write_steps(folder / "run");
  EXPECT_EQ(RunReader::open((folder / "run").string() + "/").name(), "run");
  EXPECT_EQ(RunReader::open(folder / "run/../run/.").name(), "run");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder / "run");
  const auto here = RunReader::open(".").name();
  std::filesystem::current_path(before);
  EXPECT_EQ(here, "run");
}

TEST(RunReader, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<IoError>([&] { (void)RunReader::open(folder / "no"); }),
            (folder / "no").string() + ": expected a run folder, found nothing there");
  write_file(folder / "file", "x");
  EXPECT_EQ(message_of<IoError>([&] { (void)RunReader::open(folder / "file"); }),
            (folder / "file").string() + ": expected a run folder, found a file");
  EXPECT_EQ(
      message_of<IoError>([&] { (void)RunReader::open(folder.path()); }),
      folder.path().string() + ": expected a run folder, found a folder without manifest.json");
  write_steps(folder / "run");
  write_file(folder / "run/manifest.json", "{");
  EXPECT_EQ(message_of<IoError>([&] { (void)RunReader::open(folder / "run"); }),
            (folder / "run/manifest.json").string() +
                ": expected a JSON object, found text that is not JSON");
}

}  // namespace
}  // namespace muonflow::record
