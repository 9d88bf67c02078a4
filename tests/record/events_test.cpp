#include "muonflow/record/events.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::record {
namespace {

using test::message_of;
using test::TemporaryFolder;

TEST(EventLine, IsOneLineWithFiniteNumbersOrNull) {
  EXPECT_EQ(event_line({{"kind", "step"}, {"step", 3}, {"loss", 0.5}}),
            R"({"kind":"step","step":3,"loss":0.5})");
  EXPECT_EQ(event_line({{"kind", "step"}, {"step", 3}, {"loss", std::nan("")}}),
            R"({"kind":"step","step":3,"loss":null})");
  EXPECT_EQ(event_line({{"kind", "warning"}, {"step", 0}, {"text", "two\nlines"}}),
            R"({"kind":"warning","step":0,"text":"two\nlines"})");
  // Text that is not UTF-8 (a byte model's sample) loses bytes, not the event.
  EXPECT_NE(event_line({{"kind", "warning"}, {"step", 0}, {"text", "\xff"}}).find("warning"),
            std::string::npos);
}

TEST(EventLine, NeedsKindAndStep) {
  const std::string expected =
      "event: expected an object with a kind (a text) and a step (a whole number)";
  for (const auto* text : {R"({"kind": "step"})", R"({"step": 1})", R"({"kind": 1, "step": 1})",
                           R"({"kind": "step", "step": 1.5})", "[]", "null"}) {
    EXPECT_EQ(message_of<DataError>([&] { (void)event_line(Json::parse(text)); }), expected);
  }
}

TEST(ReadEvents, GivesThemInOrder) {
  const TemporaryFolder folder;
  write_file(folder / "e", "{\"kind\":\"a\",\"step\":1}\n\n{\"kind\":\"b\",\"step\":2,\"x\":1}\n");
  std::string remark;
  const auto events = read_events(folder / "e", remark);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1]["x"], 1);
  EXPECT_TRUE(remark.empty());
}

TEST(ReadEvents, LeavesACutLastLineOutAndSaysSo) {
  const TemporaryFolder folder;
  const std::string whole = "{\"kind\":\"a\",\"step\":1}\n{\"kind\":\"b\",\"step\":2}";
  for (std::size_t size = whole.find('\n') + 2; size < whole.size(); ++size) {
    write_file(folder / "e", whole.substr(0, size));
    std::string remark;
    EXPECT_EQ(read_events(folder / "e", remark).size(), 1u);
    EXPECT_EQ(remark, (folder / "e").string() + ":2: the last line is cut off");
  }
  // Without its line break, but whole.
  write_file(folder / "e", whole);
  std::string remark;
  EXPECT_EQ(read_events(folder / "e", remark).size(), 2u);
  EXPECT_TRUE(remark.empty());
  // What a machine that lost its power may leave.
  write_file(folder / "e", whole.substr(0, whole.find('\n') + 1) + std::string(100, '\0'));
  EXPECT_EQ(read_events(folder / "e", remark).size(), 1u);
  EXPECT_FALSE(remark.empty());
}

TEST(ReadEvents, NamesABadLineBeforeTheLast) {
  const TemporaryFolder folder;
  write_file(folder / "e",
             "{\"kind\":\"a\",\"step\":1}\n{\"kind\":\n{\"kind\":\"b\",\"step\":2}\n");
  std::string remark;
  EXPECT_EQ(message_of<IoError>([&] { (void)read_events(folder / "e", remark); }),
            (folder / "e").string() + ":2: expected a JSON object with kind and step");
}

}  // namespace
}  // namespace muonflow::record
