#include "muonflow/data/datasets.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/data/sha256.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::data {
namespace {

using test::message_of;
using test::TemporaryFolder;

// A data set whose file is its text, split in the middle.
DatasetEntry toy() {
  const std::string text = "0123456789";
  return {.name = "toy",
          .summary = "ten digits",
          .licence = "none needed",
          .obtain = "printf 0123456789 > DIR/toy.txt",
          .digest = sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}),
          .bytes = 10,
          .installed = "/no/such/place/toy.txt",
          .layouts = {"toy/toy.txt", "unpacked/toy.txt"},
          .decode = [](const std::filesystem::path& file) {
            return split_tail(read_text(file), 0.5, file.string());
          }};
}

TEST(Datasets, EveryEntrySaysWhatItIs) {
  ASSERT_FALSE(datasets().all().empty());
  for (const auto& entry : datasets().all()) {
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    EXPECT_FALSE(entry.licence.empty()) << entry.name;
    EXPECT_FALSE(entry.obtain.empty()) << entry.name;
    EXPECT_EQ(entry.digest.size(), 64u) << entry.name;
    EXPECT_GT(entry.bytes, 0) << entry.name;
    EXPECT_TRUE(entry.installed.is_absolute()) << entry.name;
    ASSERT_NE(entry.decode, nullptr) << entry.name;
    // store writes where load looks first.
    EXPECT_EQ(entry.layouts.at(0), std::filesystem::path(entry.name) / entry.installed.filename());
  }
}

TEST(Datasets, UnknownNamesAreRefused) {
  EXPECT_EQ(message_of<ConfigError>([] { (void)load("austin"); }),
            "unknown data set 'austin': expected one of austen (did you mean 'austen'?)");
}

TEST(Datasets, AreFoundAsFileOrInAFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/unpacked");
  write_file(folder / "a/unpacked/toy.txt", "0123456789");
  const auto file = folder / "a/unpacked/toy.txt";
  EXPECT_EQ(find(toy(), folder / "a"), file);
  EXPECT_EQ(find(toy(), file), file);
  EXPECT_EQ(find(toy(), folder.path()), std::nullopt);
  EXPECT_EQ(find(toy(), folder / "no"), std::nullopt);
  EXPECT_EQ(find(toy(), {}), std::nullopt);
  auto installed = toy();
  installed.installed = file;
  EXPECT_EQ(find(installed, {}), file);
}

TEST(Datasets, AbsenceTellsTheCommand) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<IoError>([&] { (void)load(toy(), {}); }),
            "data set toy: is not installed (obtain it with: printf 0123456789 > DIR/toy.txt)");
  EXPECT_EQ(message_of<IoError>([&] { (void)load(toy(), folder.path()); }),
            folder.path().string() +
                ": no data set toy there (obtain it with: printf 0123456789 > DIR/toy.txt)");
}

TEST(Datasets, AMissingPlaceIsSaidToBeMissing) {
  EXPECT_EQ(message_of<IoError>([] { (void)load(toy(), "/no/such/place"); }),
            "/no/such/place: no such file or folder");
}

TEST(Datasets, AnotherTextIsRefused) {
  const TemporaryFolder folder;
  write_file(folder / "toy.txt", "012345678X");
  const auto beginning = (folder / "toy.txt").string() +
                         ": not the text of data set toy: expected SHA-256 " + toy().digest +
                         ", found ";
  EXPECT_EQ(message_of<DataError>([&] {
              (void)load(toy(), folder / "toy.txt");
            }).substr(0, beginning.size()),
            beginning);
  EXPECT_THROW((void)store(toy(), folder / "toy.txt", folder / "cache"), DataError);
  EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
}

TEST(Datasets, AreStoredWhereTheyAreFoundAgain) {
  const TemporaryFolder folder;
  write_file(folder / "toy.txt", "0123456789");
  const auto entry = toy();
  const auto stored = store(entry, folder / "toy.txt", folder / "cache");
  EXPECT_EQ(stored, folder / "cache/toy/toy.txt");
  EXPECT_EQ(find(entry, folder / "cache"), stored);
  const auto text = load(entry, folder / "cache");
  EXPECT_EQ(text.validation, (std::vector<std::uint8_t>{'5', '6', '7', '8', '9'}));
  // Twice is as good as once, also from the copy itself.
  EXPECT_EQ(store(entry, folder / "toy.txt", folder / "cache"), stored);
  EXPECT_EQ(store(entry, folder / "cache", folder / "cache"), stored);
  EXPECT_EQ(read_text_file(stored), "0123456789");
}

}  // namespace
}  // namespace muonflow::data
