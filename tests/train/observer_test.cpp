#include "muonflow/train/observer.hpp"

#include <gtest/gtest.h>

#include "muonflow/train/checkpoint.hpp"

namespace muonflow::train {
namespace {

TEST(Observer, RatesOfAStep) {
  const StepRecord record{.tokens = 600, .seconds = 0.5, .optimizer_seconds = 0.125};
  EXPECT_DOUBLE_EQ(record.tokens_per_second(), 1200);
  EXPECT_DOUBLE_EQ(record.optimizer_share(), 0.25);
  EXPECT_EQ(StepRecord{}.tokens_per_second(), 0);
  EXPECT_EQ(StepRecord{}.optimizer_share(), 0);
}

TEST(Observer, EndingsHaveTheNamesOfTheRunFolder) {
  EXPECT_EQ(to_string(Ending::finished), "finished");
  EXPECT_EQ(to_string(Ending::interrupted), "interrupted");
  EXPECT_EQ(to_string(Ending::non_finite), "non-finite");
}

}  // namespace
}  // namespace muonflow::train
