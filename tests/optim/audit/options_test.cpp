#include "muonflow/optim/audit/options.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(AuditOptions, AreOffUnlessAskedFor) {
  EXPECT_FALSE(AuditOptions{}.every.has_value());
  AuditOptions options;
  read(Json::parse(R"({"every": 50, "on_failure": "warn", "tensors": 2, "max_share": "off"})"),
       options);
  EXPECT_EQ(options.every, 50);
  EXPECT_EQ(options.on_failure, OnFailure::warn);
  EXPECT_EQ(options.tensors, 2);
  EXPECT_FALSE(options.max_share.has_value());
}

TEST(AuditOptions, RefuseWhatIsOutOfRange) {
  AuditOptions options;
  EXPECT_MENTIONS(message_of<ConfigError>([&] { read(Json::parse(R"({"every": 0})"), options); }),
                  "every");
  EXPECT_MENTIONS(
      message_of<ConfigError>([&] { read(Json::parse(R"({"on_failure": "go"})"), options); }),
      "stop");
}

}  // namespace
}  // namespace muonflow::optim
