#include "muonflow/data/text.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::data {
namespace {

using test::message_of;
using test::TemporaryFolder;

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST(Text, ReadsEveryByte) {
  const TemporaryFolder folder;
  const std::string text("a\0\xff\r\n", 5);
  write_file(folder / "a", text);
  EXPECT_EQ(read_text(folder / "a"), bytes_of(text));
}

TEST(Text, SplitsAtTheTail) {
  const auto text = split_tail(bytes_of("0123456789"), 0.3, "a");
  EXPECT_EQ(text.training, bytes_of("0123456"));
  EXPECT_EQ(text.validation, bytes_of("789"));
}

TEST(Text, BothPartsGetSomething) {
  EXPECT_EQ(split_tail(bytes_of("01"), 0.001, "a").validation.size(), 1u);
  EXPECT_EQ(split_tail(bytes_of("01"), 0.999, "a").training.size(), 1u);
}

TEST(Text, TakesASecondFile) {
  const TemporaryFolder folder;
  write_file(folder / "a", "train");
  write_file(folder / "b", "validate");
  const auto text = load_files(folder / "a", folder / "b", 0.5);
  EXPECT_EQ(text.training, bytes_of("train"));
  EXPECT_EQ(text.validation, bytes_of("validate"));
  EXPECT_EQ(load_files(folder / "a", "", 0.2).validation, bytes_of("n"));
}

TEST(Text, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  write_file(folder / "empty", "");
  write_file(folder / "one", "x");
  EXPECT_EQ(message_of<DataError>([&] { (void)read_text(folder / "empty"); }),
            (folder / "empty").string() + ": the text is empty");
  EXPECT_EQ(message_of<DataError>([&] { (void)load_files(folder / "one", "", 0.1); }),
            (folder / "one").string() + ": too short to split: expected at least 2 bytes, found 1");
  EXPECT_EQ(message_of<IoError>([&] { (void)read_text(folder / "no"); }),
            (folder / "no").string() + ": cannot be read: No such file or directory");
  for (const auto& [fraction, shown] :
       std::vector<std::pair<double, std::string>>{{0, "0"}, {1, "1"}, {-0.5, "-0.5"}}) {
    EXPECT_EQ(message_of<ConfigError>([&] { (void)split_tail(bytes_of("abc"), fraction, "a"); }),
              "a: validation fraction: expected a number in (0, 1), found " + shown);
  }
  EXPECT_THROW((void)split_tail(bytes_of("abc"), std::nan(""), "a"), ConfigError);
}

}  // namespace
}  // namespace muonflow::data
