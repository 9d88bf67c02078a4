#include "muonflow/core/text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace muonflow {
namespace {

TEST(NearestName, FindsTheMisspeltOne) {
  const std::vector<std::string> names{"momentum", "nesterov", "weight_decay"};
  EXPECT_EQ(nearest_name("momentun", names), "momentum");
  EXPECT_EQ(nearest_name("weightdecay", names), "weight_decay");
  EXPECT_EQ(nearest_name("nestorov", names), "nesterov");
}

TEST(NearestName, SaysNothingWhenNothingIsNear) {
  const std::vector<std::string> names{"momentum", "nesterov"};
  EXPECT_EQ(nearest_name("xyz", names), "");
  EXPECT_EQ(nearest_name("anything", {}), "");
}

TEST(NearestName, ShortNamesHaveNeighboursToo) {
  const std::vector<std::string> names{"lr", "eps"};
  EXPECT_EQ(nearest_name("ls", names), "lr");
  EXPECT_EQ(nearest_name("ep", names), "eps");
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(join(std::vector<std::string>{}), "");
  EXPECT_EQ(join(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b"}, "/"), "a/b");
}

TEST(Shortest, IsWhatPeopleWrite) {
  EXPECT_EQ(shortest(0.95), "0.95");
  EXPECT_EQ(shortest(1e-7), "1e-07");
  EXPECT_EQ(shortest(0), "0");
  EXPECT_EQ(shortest(-2.5), "-2.5");
}

TEST(Shortest, ReadsBackAsTheSameDouble) {
  for (const double x : {0.1, 1.0 / 3, 6.02214076e23, 5e-324, 1.7976931348623157e308, -0.0}) {
    EXPECT_EQ(std::strtod(shortest(x).c_str(), nullptr), x) << shortest(x);
  }
}

TEST(Shortest, NamesWhatIsNotFinite) {
  EXPECT_EQ(shortest(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(shortest(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(shortest(std::numeric_limits<double>::quiet_NaN()), "nan");
}

}  // namespace
}  // namespace muonflow
