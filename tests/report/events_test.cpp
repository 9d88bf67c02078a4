#include "muonflow/report/events.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace muonflow::report {
namespace {

const Json kEvent{{"loss", 1.5},      {"name", "a"}, {"machine", {{"threads", 2}}},
                  {"bad", "nan"},     {"up", "inf"}, {"none", nullptr},
                  {"list", {1, 2.5}}, {"yes", true}};

TEST(Member, FollowsDottedPaths) {
  EXPECT_EQ(member(kEvent, "machine.threads"), 2);
  EXPECT_TRUE(member(kEvent, "machine.cores").is_null());
  EXPECT_TRUE(member(kEvent, "loss.deeper").is_null());
  EXPECT_TRUE(member(Json(3), "a").is_null());
}

TEST(NumberOf, TakesTheFirstThatIsOne) {
  EXPECT_EQ(number_of(kEvent, {"loss"}), 1.5);
  EXPECT_EQ(number_of(kEvent, {"name", "machine.threads"}), 2);
  EXPECT_TRUE(std::isnan(number_of(kEvent, {"bad"})));
  EXPECT_TRUE(std::isinf(number_of(kEvent, {"up"})));
  EXPECT_TRUE(std::isnan(number_of(kEvent, {"none", "absent", "list"})));
}

TEST(NumbersOf, AreThoseOfAList) {
  const auto numbers = numbers_of(Json{{"list", {1, "a", 2.5}}}, "list");
  ASSERT_EQ(numbers.size(), 3);
  EXPECT_EQ(numbers[0], 1);
  EXPECT_TRUE(std::isnan(numbers[1]));
  EXPECT_EQ(numbers[2], 2.5);
  EXPECT_TRUE(numbers_of(kEvent, "loss").empty());
  EXPECT_TRUE(numbers_of(kEvent, "machine").empty());
}

TEST(TextOf, TakesTheFirstThatIsOne) {
  EXPECT_EQ(text_of(kEvent, {"absent", "loss", "name"}), "a");
  EXPECT_EQ(text_of(kEvent, {"loss"}), "");
}

TEST(PlainText, WritesEveryKind) {
  EXPECT_EQ(plain_text(kEvent["name"]), "a");
  EXPECT_EQ(plain_text(kEvent["list"]), "1, 2.5");
  EXPECT_EQ(plain_text(kEvent["yes"]), "true");
  EXPECT_EQ(plain_text(kEvent["none"]), "");
}

}  // namespace
}  // namespace muonflow::report
