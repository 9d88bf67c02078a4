#include "muonflow/study/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace muonflow::study {
namespace {

// The printed tables have three decimals.
TEST(StudentQuantile, AgreesWithTables) {
  for (const auto& [freedom, expected] : std::vector<std::pair<int, double>>{{1, 12.706},
                                                                             {2, 4.303},
                                                                             {3, 3.182},
                                                                             {4, 2.776},
                                                                             {7, 2.365},
                                                                             {10, 2.228},
                                                                             {30, 2.042},
                                                                             {120, 1.980},
                                                                             {10000, 1.960}}) {
    EXPECT_NEAR(student_quantile(freedom), expected, 5.1e-4) << freedom;
  }
  // tan(0.475 pi), the quantile of the Cauchy distribution.
  EXPECT_NEAR(student_quantile(1), 12.706204736174698, 1e-11);
  EXPECT_TRUE(std::isnan(student_quantile(0)));
}

TEST(MeanOf, HasStudentsInterval) {
  const std::vector<double> values{1, 2, 3, 4};
  const auto mean = mean_of(values);
  EXPECT_DOUBLE_EQ(mean.value, 2.5);
  // s = sqrt(5/3), over sqrt(4), times t(3) = 3.18245.
  EXPECT_NEAR(mean.high - mean.value, 3.182446305284263 * std::sqrt(5.0 / 3) / 2, 1e-9);
  EXPECT_DOUBLE_EQ(mean.value - mean.low, mean.high - mean.value);
  EXPECT_EQ(mean.samples, 4);
}

TEST(MeanOf, OneValueHasNoIntervalAndNoneHasNoMean) {
  EXPECT_EQ(mean_of(std::vector<double>{3}).value, 3);
  EXPECT_TRUE(std::isnan(mean_of(std::vector<double>{3}).low));
  EXPECT_TRUE(std::isnan(mean_of({}).value));
}

TEST(Extremes, NanIsNotPassedOver) {
  EXPECT_EQ(largest_of(std::vector<double>{-3, -1, -2}).value, -1);
  EXPECT_EQ(smallest_of(std::vector<double>{3, 1, 2}).value, 1);
  EXPECT_TRUE(std::isnan(largest_of(std::vector<double>{1, kNoValue, 2}).value));
  EXPECT_TRUE(std::isnan(smallest_of(std::vector<double>{1, kNoValue, 2}).value));
}

TEST(FitLine, FindsALineAndItsInterval) {
  const std::vector<double> x{0, 1, 2, 3};
  const auto exact = fit_line(x, std::vector<double>{1, 3, 5, 7});
  EXPECT_NEAR(exact.slope.value, 2, 1e-14);
  EXPECT_NEAR(exact.intercept, 1, 1e-14);
  EXPECT_NEAR(exact.slope.high, exact.slope.low, 1e-13);
  // Residuals (0.1, -0.3, 0.3, -0.1): s^2 = 0.2/2, xx = 5, t(2) = 4.30265.
  const auto noisy = fit_line(x, std::vector<double>{1.1, 2.7, 5.3, 6.9});
  EXPECT_NEAR(noisy.slope.value, 2, 1e-14);
  EXPECT_NEAR(noisy.slope.high - 2, 4.302652729749464 * std::sqrt(0.1 / 5), 1e-9);
}

TEST(FitPower, RefusesWhatHasNoLogarithm) {
  const std::vector<double> x{1, 2, 4};
  EXPECT_NEAR(fit_power(x, std::vector<double>{3, 12, 48}).slope.value, 2, 1e-14);
  EXPECT_TRUE(std::isnan(fit_power(x, std::vector<double>{3, 0, 48}).slope.value));
  EXPECT_TRUE(std::isnan(fit_power(std::vector<double>{1}, std::vector<double>{1}).slope.value));
}

// For the mean the percentile bootstrap is near the normal interval; with 1,000 resamples its ends
// scatter by about 5% of its width.
TEST(Bootstrap, OfAMeanIsNearTheNormalInterval) {
  std::vector<double> values(100);
  std::iota(values.begin(), values.end(), 0.0);
  const auto mean = [&](const Resample& drawn) {
    double sum = 0;
    for (const auto i : drawn.front()) sum += values[i];
    return sum / static_cast<double>(drawn.front().size());
  };
  const std::vector<std::int64_t> counts{100};
  const auto estimate = bootstrap(counts, 1000, 7, mean);
  EXPECT_DOUBLE_EQ(estimate.value, 49.5);
  const double half = 1.96 * std::sqrt((100.0 * 100 - 1) / 12 / 100);
  EXPECT_NEAR(estimate.low, 49.5 - half, 0.2 * half);
  EXPECT_NEAR(estimate.high, 49.5 + half, 0.2 * half);
  const auto again = bootstrap(counts, 1000, 7, mean);
  EXPECT_EQ(again.low, estimate.low);
  EXPECT_EQ(again.high, estimate.high);
}

TEST(Bootstrap, ResamplesGroupsWithinThemselves) {
  const std::vector<std::int64_t> counts{3, 50};
  const auto estimate = bootstrap(counts, 20, 1, [](const Resample& drawn) {
    EXPECT_EQ(drawn.size(), 2u);
    EXPECT_EQ(drawn[0].size(), 3u);
    EXPECT_EQ(drawn[1].size(), 50u);
    for (const auto i : drawn[0]) EXPECT_LT(i, 3u);
    return static_cast<double>(drawn[1][0]);
  });
  EXPECT_EQ(estimate.samples, 53);
  EXPECT_EQ(estimate.value, 0);
  EXPECT_GT(estimate.high, estimate.low);
}

}  // namespace
}  // namespace muonflow::study
