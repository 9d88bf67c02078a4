#include "muonflow/core/version.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace muonflow {
namespace {

TEST(Version, IsThreeNumbers) {
  EXPECT_EQ(std::count(kVersion.begin(), kVersion.end(), '.'), 2);
  EXPECT_EQ(kVersion.find_first_not_of("0123456789."), std::string_view::npos);
  EXPECT_EQ(kVersion.find(".."), std::string_view::npos);
  EXPECT_NE(kVersion.front(), '.');
  EXPECT_NE(kVersion.back(), '.');
}

}  // namespace
}  // namespace muonflow
