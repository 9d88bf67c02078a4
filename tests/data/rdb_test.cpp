#include "muonflow/data/rdb.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "muonflow/core/error.hpp"
#include "tests/data/write_rdb.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::data {
namespace {

using test::rdb_chunk;
using test::TemporaryFolder;
using test::xdr_texts;

std::vector<std::string> read(const std::string& contents) {
  const TemporaryFolder folder;
  { std::ofstream(folder / "x.rdb", std::ios::binary) << contents; }
  return read_rdb_texts(folder / "x.rdb");
}

std::string refusal(const std::string& contents) {
  const TemporaryFolder folder;
  { std::ofstream(folder / "x", std::ios::binary) << contents; }
  const auto message = test::message_of<IoError>([&] { (void)read_rdb_texts(folder / "x"); });
  const auto prefix = (folder / "x").string() + ": not a data file of texts: ";
  EXPECT_EQ(message.substr(0, prefix.size()), prefix);
  return message.substr(std::min(prefix.size(), message.size()));
}

TEST(Rdb, ReadsOneTextAChunk) {
  const std::string large(100'000, 'x');
  EXPECT_EQ(read(rdb_chunk(xdr_texts({"EMMA", "", "By Jane Austen"})) + rdb_chunk(xdr_texts({})) +
                 rdb_chunk(xdr_texts({large}))),
            (std::vector<std::string>{"EMMA\n\nBy Jane Austen\n", "", large + "\n"}));
}

TEST(Rdb, ReadsTheOlderVersion) {
  EXPECT_EQ(read(rdb_chunk(xdr_texts({"a"}, 2))), (std::vector<std::string>{"a\n"}));
}

TEST(Rdb, RefusesOtherObjects) {
  const auto object = xdr_texts({"a"});
  auto changed = object;
  changed[0] = 'A';  // R's text form
  EXPECT_EQ(refusal(rdb_chunk(changed)), "no XDR object");
  EXPECT_EQ(refusal(rdb_chunk(xdr_texts({"a"}, 4))), "format version 4");
  changed = object;
  changed[26] = 14;  // numbers
  EXPECT_EQ(refusal(rdb_chunk(changed)), "an object that is no plain vector of texts");
  changed = object;
  changed[25] = 2;  // with attributes
  EXPECT_EQ(refusal(rdb_chunk(changed)), "an object that is no plain vector of texts");
  changed = object;
  changed[34] = 10;
  EXPECT_EQ(refusal(rdb_chunk(changed)), "a line that is no text");
  changed = object;
  for (std::size_t i = 35; i < 39; ++i) changed[i] = '\xff';
  EXPECT_EQ(refusal(rdb_chunk(changed)), "a line that is missing");
  EXPECT_EQ(refusal(rdb_chunk(object + "x")), "bytes after the last line");
}

TEST(Rdb, RefusesDamage) {
  EXPECT_EQ(refusal("abc"), "it ends too early");
  const auto chunk = rdb_chunk(xdr_texts({"a line", "another line"}));
  auto claims = chunk;
  claims[0] = '\x7f';  // two gigabytes out of a hundred bytes
  EXPECT_EQ(refusal(claims), "a chunk's length is impossible");
  claims = chunk;
  ++claims[3];
  EXPECT_EQ(refusal(claims), "a chunk is damaged");
  claims = chunk;
  --claims[3];
  EXPECT_EQ(refusal(claims), "a chunk is damaged");
  // Cut and changed anywhere: refused, as the stream's checksum sees it.
  for (std::size_t size = 1; size < chunk.size(); ++size) {
    EXPECT_FALSE(refusal(chunk.substr(0, size)).empty());
  }
  for (std::size_t i = 4; i < chunk.size(); ++i) {
    auto changed = chunk;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    EXPECT_FALSE(refusal(changed).empty());
  }
}

TEST(Rdb, RefusesCutObjects) {
  const auto object = xdr_texts({"a line", "another line"});
  for (std::size_t size = 0; size < object.size(); ++size) {
    EXPECT_FALSE(refusal(rdb_chunk(object.substr(0, size))).empty());
  }
}

TEST(Rdb, NamesAMissingFile) {
  EXPECT_EQ(test::message_of<IoError>([] { (void)read_rdb_texts("/no/such.rdb"); }),
            "/no/such.rdb: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace muonflow::data
