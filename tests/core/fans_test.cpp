#include "muonflow/core/fans.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"

namespace muonflow {
namespace {

void expect_ratios(const FanRatios& ratios, double in, double out) {
  EXPECT_DOUBLE_EQ(ratios.in, in);
  EXPECT_DOUBLE_EQ(ratios.out, out);
}

TEST(Fans, RowsAreOutputsButForEmbeddings) {
  expect_ratios(fan_ratios({256, 64}, {128, 16}, Role::hidden), 4, 2);
  expect_ratios(fan_ratios({100, 64}, {100, 16}, Role::head), 4, 1);
  expect_ratios(fan_ratios({100, 64}, {100, 16}, Role::embedding), 1, 4);
  expect_ratios(fan_ratios({64}, {16}, Role::norm), 1, 4);
  expect_ratios(fan_ratios({64, 32, 3, 3}, {16, 16, 3, 3}, Role::convolution), 2, 4);
  expect_ratios(fan_ratios({4, 64, 32}, {4, 16, 16}, Role::hidden), 2, 4);
  expect_ratios(fan_ratios({64, 32}, {}, Role::hidden), 1, 1);
}

TEST(Fans, RefusesAnotherRank) {
  EXPECT_THROW(fan_ratios({64, 32}, {64}, Role::hidden), ShapeError);
  EXPECT_THROW(fan_ratios({64}, {0}, Role::bias), ShapeError);
}

// Table 3 of arXiv:2203.03466: variances 1 / fan_in, 1 / fan_in^2 for the output layer, 1 for
// lookups.
TEST(Fans, InitialScales) {
  const auto scale = [](const Shape& shape, const Shape& base, Role role) {
    return initial_scale(fan_ratios(shape, base, role), shape, role);
  };
  EXPECT_DOUBLE_EQ(scale({64, 64}, {16, 16}, Role::hidden), 0.5);
  EXPECT_DOUBLE_EQ(scale({64, 10}, {16, 10}, Role::hidden), 1);
  EXPECT_DOUBLE_EQ(scale({10, 64}, {10, 16}, Role::head), 0.25);
  EXPECT_DOUBLE_EQ(scale({10, 64}, {10, 16}, Role::router), 0.25);
  EXPECT_DOUBLE_EQ(scale({10, 64}, {10, 16}, Role::embedding), 1);
  EXPECT_DOUBLE_EQ(scale({64}, {16}, Role::bias), 1);
}

}  // namespace
}  // namespace muonflow
