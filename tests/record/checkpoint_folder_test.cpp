#include "muonflow/record/checkpoint_folder.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::record {
namespace {

using test::message_of;
using test::TemporaryFolder;

TensorMap tensors(double value) {
  return {{"w", make_tensor<double>({2}, std::vector<double>{value, -value})}};
}

std::filesystem::path write(const std::filesystem::path& folder, std::int64_t step,
                            std::int64_t keep = 0) {
  const auto weights = tensors(static_cast<double>(step));
  const auto optimizer = tensors(0.5);
  return write_checkpoint_folder(folder, step, {{"weights", &weights}, {"optimizer", &optimizer}},
                                 {{"seed", 7}}, keep);
}

std::vector<std::string> names(const std::filesystem::path& folder) {
  std::vector<std::string> all;
  for (const auto& path : list_checkpoints(folder)) all.push_back(path.filename().string());
  return all;
}

TEST(CheckpointFolder, GoesRound) {
  const TemporaryFolder folder;
  const auto path = write(folder / "checkpoints", 120);
  EXPECT_EQ(path, folder / "checkpoints/step-000120");
  EXPECT_EQ(read_checkpoint_step(path), 120);
  EXPECT_EQ(read_checkpoint_state(path), Json({{"seed", 7}}));
  EXPECT_EQ(read_checkpoint_file(path, "weights").at("w").to<double>(),
            (std::vector<double>{120, -120}));
  EXPECT_EQ(read_checkpoint_file(path, "optimizer").at("w").bytes, tensors(0.5).at("w").bytes);
}

TEST(CheckpointFolder, LeavesNothingElseBehind) {
  const TemporaryFolder folder;
  write(folder.path(), 1);
  // The folder, its three files, and `latest`.
  EXPECT_EQ(folder.entries(), 5u);
}

TEST(CheckpointFolder, LatestPointsAtTheNewest) {
  const TemporaryFolder folder;
  write(folder.path(), 1);
  write(folder.path(), 2);
  EXPECT_EQ(std::filesystem::read_symlink(folder / "latest"), "step-000002");
  EXPECT_EQ(read_checkpoint_step(folder / "latest"), 2);
  EXPECT_EQ(newest_checkpoint(folder.path()), folder / "step-000002");
}

TEST(CheckpointFolder, OrdersByNumberNotByName) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {1'000'000, 999'999, 0}) write(folder.path(), step);
  EXPECT_EQ(names(folder.path()),
            (std::vector<std::string>{"step-000000", "step-999999", "step-1000000"}));
}

TEST(CheckpointFolder, KeepsTheNewest) {
  const TemporaryFolder folder;
  for (std::int64_t step = 1; step <= 5; ++step) write(folder.path(), step, 2);
  EXPECT_EQ(names(folder.path()), (std::vector<std::string>{"step-000004", "step-000005"}));
  // A run that went back does not lose what it just wrote.
  write(folder.path(), 2, 2);
  EXPECT_EQ(names(folder.path()), (std::vector<std::string>{"step-000002", "step-000005"}));
  EXPECT_EQ(read_checkpoint_step(folder / "latest"), 2);
}

TEST(CheckpointFolder, ReplacesTheSameStep) {
  const TemporaryFolder folder;
  write(folder.path(), 3);
  const auto other = tensors(42);
  write_checkpoint_folder(folder.path(), 3, {{"weights", &other}}, {{"seed", 8}}, 0);
  EXPECT_EQ(read_checkpoint_state(folder / "step-000003")["seed"], 8);
  EXPECT_EQ(read_checkpoint_file(folder / "step-000003", "weights").at("w").to<double>()[0], 42);
  EXPECT_FALSE(std::filesystem::exists(folder / "step-000003/optimizer.safetensors"));
  EXPECT_EQ(folder.entries(), 4u);
}

TEST(CheckpointFolder, SkipsWhatIsNotComplete) {
  const TemporaryFolder folder;
  EXPECT_EQ(newest_checkpoint(folder / "no"), std::nullopt);
  write(folder.path(), 1);
  for (std::int64_t step = 2; step <= 4; ++step) write(folder.path(), step);
  std::filesystem::remove(folder / "step-000002/state.json");
  std::filesystem::remove(folder / "step-000003/optimizer.safetensors");
  std::filesystem::resize_file(folder / "step-000004/weights.safetensors", 20);
  std::filesystem::create_directory(folder / ".writing-step-000005");
  std::filesystem::create_directory(folder / "step-000006x");
  std::filesystem::create_directory(folder / "other");
  EXPECT_EQ(names(folder.path()), (std::vector<std::string>{"step-000001"}));
  // What a killed process left is written over.
  write_file(folder / ".writing-step-000005/junk", "x");
  const auto path = write(folder.path(), 5);
  EXPECT_FALSE(std::filesystem::exists(path / "junk"));
  EXPECT_EQ(newest_checkpoint(folder.path()), path);
}

TEST(CheckpointFolder, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  write(folder.path(), 1);
  const auto before = folder.entries();
  const TensorMap large{{"w", make_tensor<double>({2000}, std::vector<double>(2000))}};
  rlimit unlimited{};
  ::getrlimit(RLIMIT_FSIZE, &unlimited);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, unlimited.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const auto message = message_of<IoError>([&] {
    write_checkpoint_folder(folder.path(), 2, {{"weights", &large}}, {}, 1);
  });
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("weights.safetensors: cannot be written: File too large"),
            std::string::npos)
      << message;
  EXPECT_EQ(folder.entries(), before);
  EXPECT_EQ(read_checkpoint_step(folder / "latest"), 1);
}

TEST(CheckpointFolder, ReadingSaysWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<IoError>([&] { (void)read_checkpoint_step(folder / "no"); }),
            (folder / "no/state.json").string() + ": cannot be read: No such file or directory");
  const auto path = write(folder.path(), 1);
  EXPECT_EQ(message_of<IoError>([&] { (void)read_checkpoint_file(path, "data"); }),
            (path / "data.safetensors").string() + ": cannot be read: No such file or directory");
  write_file(path / "state.json", "{\"step\": 1}");
  EXPECT_EQ(message_of<IoError>([&] { (void)read_checkpoint_state(path); }),
            (path / "state.json").string() +
                ": expected step, files and state, found a file without them");
}

}  // namespace
}  // namespace muonflow::record
