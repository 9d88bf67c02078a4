#include "muonflow/model/models.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"

namespace muonflow::model {
namespace {

TEST(Models, EveryEntryIsDescribed) {
  ASSERT_FALSE(models().all().empty());
  for (const auto& entry : models().all()) {
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    EXPECT_FALSE(entry.cite.empty()) << entry.name;
    EXPECT_FALSE(entry.options().empty()) << entry.name;
    EXPECT_NE(entry.gradients, nullptr) << entry.name;
  }
}

TEST(Models, GptIsThereAndOthersAreRefused) {
  EXPECT_EQ(models().at("gpt").name, "gpt");
  EXPECT_THROW(models().at("gtp"), ConfigError);
}

}  // namespace
}  // namespace muonflow::model
