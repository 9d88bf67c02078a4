#include "muonflow/core/version.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace muonflow {
namespace {

TEST(Version, IsThreeNumbers) {
  EXPECT_TRUE(std::regex_match(std::string(kVersion), std::regex("[0-9]+\\.[0-9]+\\.[0-9]+")));
}

}  // namespace
}  // namespace muonflow
