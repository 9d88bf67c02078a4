#include "muonflow/record/json_file.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::record {
namespace {

using test::message_of;
using test::TemporaryFolder;

TEST(JsonFile, GoesRoundInOrder) {
  const TemporaryFolder folder;
  const auto document = Json::parse(R"({"z": 1, "a": [1.5, null, "ä"], "m": {}})");
  write_json_file(folder / "a.json", document);
  EXPECT_EQ(read_json_file(folder / "a.json").dump(), document.dump());
}

TEST(JsonFile, NonFiniteNumbersBecomeNull) {
  const TemporaryFolder folder;
  write_json_file(folder / "a.json", {{"x", std::numeric_limits<double>::infinity()}});
  EXPECT_TRUE(read_json_file(folder / "a.json")["x"].is_null());
}

TEST(JsonFile, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto path = folder / "a.json";
  EXPECT_EQ(message_of<IoError>([&] { (void)read_json_file(path); }),
            path.string() + ": cannot be read: No such file or directory");
  write_file(path, "{\"a\": ");
  EXPECT_EQ(message_of<IoError>([&] { (void)read_json_file(path); }),
            path.string() + ": expected a JSON object, found text that is not JSON");
  write_file(path, "[1]");
  EXPECT_EQ(message_of<IoError>([&] { (void)read_json_file(path); }),
            path.string() + ": expected a JSON object, found array");
}

}  // namespace
}  // namespace muonflow::record
