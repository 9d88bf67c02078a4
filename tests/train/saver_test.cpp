#include "muonflow/train/saver.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/record/checkpoint_folder.hpp"
#include "muonflow/train/checkpoint.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::train {
namespace {

using test::TemporaryFolder;

struct Fake final : Saveable {
  std::int64_t at = 0;
  bool good = true;
  std::int64_t step() const override { return at; }
  bool intact() const override { return good; }
  Checkpoint checkpoint() const override {
    Checkpoint checkpoint;
    checkpoint.loop.step = at;
    return checkpoint;
  }
};

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& path : record::list_checkpoints(folder)) names.push_back(path.filename());
  return names;
}

TEST(Saver, SavesEveryFewStepsAndAtTheEndAndKeepsTheNewest) {
  const TemporaryFolder folder;
  Saver saver(folder.path(), 3, 2);
  std::vector<std::int64_t> told;
  saver.on_saved = [&](std::int64_t step, const auto&) { told.push_back(step); };
  Fake run;
  for (run.at = 1; run.at <= 7; ++run.at) saver.on_boundary(run);
  run.at = 7;
  saver.on_end(Ending::finished, run);
  saver.on_end(Ending::finished, run);  // saved already
  EXPECT_EQ(told, (std::vector<std::int64_t>{3, 6, 7}));
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"step-000006", "step-000007"}));
  EXPECT_EQ(saver.newest(), folder / "step-000007");
}

TEST(Saver, DoesNotSaveAgainWhatItWasResumedFrom) {
  const TemporaryFolder folder;
  Saver saver(folder.path(), 0, 0);
  saver.known(folder / "step-000004", 4);
  Fake run;
  run.at = 4;
  saver.on_end(Ending::interrupted, run);
  EXPECT_TRUE(names_in(folder.path()).empty());
  EXPECT_EQ(saver.newest(), folder / "step-000004");
}

TEST(Saver, NeverSavesAStateThatIsNotWhole) {
  const TemporaryFolder folder;
  Saver saver(folder.path(), 1, 0);
  Fake run;
  run.at = 2;
  saver.on_boundary(run);
  run.at = 3;
  run.good = false;
  saver.on_boundary(run);
  saver.on_end(Ending::non_finite, run);
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"step-000002"}));
}

TEST(Saver, AFolderThatCannotBeWrittenIsAnError) {
  const TemporaryFolder folder;
  write_file(folder / "file", "text");
  Saver saver(folder / "file" / "checkpoints", 1, 0);
  Fake run;
  run.at = 1;
  EXPECT_THROW(saver.on_boundary(run), IoError);
}

}  // namespace
}  // namespace muonflow::train
