#include "muonflow/flow/risk.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow::flow {
namespace {

class EveryRisk : public ::testing::TestWithParam<RiskKind> {};

TEST_P(EveryRisk, GradientIsTheDifferenceQuotient) {
  const Risk risk(GetParam(), {1, -1, 1}, "test");
  const std::vector<double> z{0.3, 0.9, -2.5};
  std::vector<double> gradient(3);
  risk.gradient(z, gradient);
  const double d = 1e-5;
  for (std::size_t k = 0; k < z.size(); ++k) {
    auto up = z, down = z;
    up[k] += d;
    down[k] -= d;
    // Central differences: d^2 times a third derivative below 1, and round-off over d.
    EXPECT_NEAR(gradient[k], (risk.value(up) - risk.value(down)) / (2 * d), 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryRisk,
                         ::testing::Values(RiskKind::squared, RiskKind::logistic,
                                           RiskKind::linear));

TEST(Risk, ValuesByHand) {
  EXPECT_DOUBLE_EQ(Risk(RiskKind::squared, {1, 2}, "t").value(std::vector{0.0, 0.0}), 2.5);
  EXPECT_DOUBLE_EQ(Risk(RiskKind::linear, {1, 2}, "t").value(std::vector{3.0, -1.0}), 1);
  EXPECT_DOUBLE_EQ(Risk(RiskKind::logistic, {1}, "t").value(std::vector{0.0}), std::log(2));
  // No overflow for a confident mistake.
  EXPECT_DOUBLE_EQ(Risk(RiskKind::logistic, {1}, "t").value(std::vector{-1000.0}), 1000);
}

TEST(Risk, RefusesWhatItCannotUse) {
  EXPECT_THROW(Risk(RiskKind::cross_entropy, {1}, "t"), ConfigError);
  EXPECT_THROW(Risk(RiskKind::logistic, {0.5}, "t"), DataError);
  EXPECT_THROW(Risk(RiskKind::squared, {std::nan("")}, "t"), DataError);
}

}  // namespace
}  // namespace muonflow::flow
