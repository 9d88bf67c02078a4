#include "muonflow/data/datasets/austen.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "tests/data/write_rdb.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::data {
namespace {

using test::rdb_chunk;
using test::TemporaryFolder;
using test::xdr_texts;

std::string novels(int count) {
  std::string file;
  for (int i = 0; i < count; ++i) {
    file += rdb_chunk(xdr_texts({"novel " + std::to_string(i), "end"}));
  }
  return file;
}

TEST(Austen, HoldsOutTheFourthNovel) {
  const TemporaryFolder folder;
  write_file(folder / "Rdata.rdb", novels(6));
  const auto text = austen().decode(folder / "Rdata.rdb");
  EXPECT_EQ(std::string(text.training.begin(), text.training.end()),
            "novel 0\nend\nnovel 1\nend\nnovel 2\nend\nnovel 4\nend\nnovel 5\nend\n");
  EXPECT_EQ(std::string(text.validation.begin(), text.validation.end()), "novel 3\nend\n");
}

TEST(Austen, NeedsSixNovels) {
  const TemporaryFolder folder;
  write_file(folder / "Rdata.rdb", novels(5));
  EXPECT_EQ(test::message_of<IoError>([&] { (void)austen().decode(folder / "Rdata.rdb"); }),
            (folder / "Rdata.rdb").string() + ": expected 6 novels, found 5");
}

TEST(Austen, AnotherTextIsNotTheDataSet) {
  const TemporaryFolder folder;
  write_file(folder / "Rdata.rdb", novels(6));
  const auto message =
      test::message_of<DataError>([&] { (void)load("austen", folder / "Rdata.rdb"); });
  EXPECT_NE(message.find("not the text of data set austen: expected SHA-256 " + austen().digest),
            std::string::npos)
      << message;
}

TEST(Austen, TheInstalledPackageIsTheDataSet) {
  if (!find(austen(), {})) GTEST_SKIP() << "r-cran-janeaustenr is not installed";
  const auto text = load("austen");
  EXPECT_EQ(static_cast<std::int64_t>(text.training.size() + text.validation.size()),
            austen().bytes);
  const std::string opening = "Persuasion\n";
  EXPECT_TRUE(std::equal(opening.begin(), opening.end(), text.validation.begin()));
}

}  // namespace
}  // namespace muonflow::data
