#include "muonflow/linalg/coefficients.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace muonflow::linalg {
namespace {

// Smallest and largest image of [lo, 1] under `steps` steps, on a grid even in the logarithm.
template <class Step>
std::pair<double, double> image(double lo, int steps, const Step& step) {
  constexpr int kPoints = 200000;
  double smallest = 1e300;
  double largest = -1e300;
  for (int i = 0; i <= kPoints; ++i) {
    double x = std::pow(lo, 1 - static_cast<double>(i) / kPoints);
    for (int t = 0; t < steps; ++t) x = step(t)(x);
    smallest = std::min(smallest, x);
    largest = std::max(largest, x);
  }
  return {smallest, largest};
}

constexpr auto jordan = [](int) { return kJordan; };
constexpr auto classic = [](int) { return kClassic; };
constexpr auto express = [](int t) { return polar_express_step(static_cast<std::size_t>(t)); };

// Tolerances here are half a unit of the last digit of the published range.
TEST(Coefficients, JordanRanges) {
  EXPECT_NEAR(image(1e-3, 5, jordan).first, 0.4705, 1e-4);
  EXPECT_NEAR(image(1e-3, 5, jordan).second, 1.2024, 1e-4);
  EXPECT_NEAR(image(5e-3, 5, jordan).first, 0.6818, 1e-4);
  EXPECT_NEAR(image(5e-3, 5, jordan).second, 1.1544, 1e-4);
  EXPECT_NEAR(image(1e-2, 5, jordan).first, 0.6818, 1e-4);
  EXPECT_NEAR(image(1e-2, 5, jordan).second, 1.1344, 1e-4);
}

TEST(Coefficients, JordanStaysInItsBandAndNeverConverges) {
  const auto [smallest, largest] = image(1e-3, 30, jordan);
  EXPECT_NEAR(smallest, 0.68183, 2e-5);
  EXPECT_NEAR(largest, 1.13436, 2e-5);
  EXPECT_NEAR(std::pow(kJordan.a, 5), 484.9, 0.05);
  for (const double fixed : {0.8680, 1.2637}) EXPECT_NEAR(kJordan(fixed), fixed, 2e-4);
}

TEST(Coefficients, PolarExpressErrors) {
  const auto error = [](int steps) {
    const auto [smallest, largest] = image(1e-3, steps, express);
    return std::max(1 - smallest, largest - 1);
  };
  EXPECT_NEAR(error(5), 0.124, 5e-4);
  EXPECT_NEAR(error(6), 1.2e-3, 5e-5);
  EXPECT_NEAR(error(7), 1.0e-9, 5e-10);
  EXPECT_LT(error(8), 1e-15);  // a few roundoffs of the last evaluation
}

// Five steps err alike on both sides, which a wrong digit in any coefficient would break.
TEST(Coefficients, PolarExpressErrorIsEvenOnBothSides) {
  const auto [smallest, largest] = image(1e-3, 5, express);
  EXPECT_NEAR(1 - smallest, 0.1236, 1e-4);
  EXPECT_NEAR(largest - 1, 0.1236, 1e-4);
}

TEST(Coefficients, PolarExpressContinuesWithTheClassicStep) {
  EXPECT_EQ(polar_express_step(6).a, kPolarExpress[6].a);
  for (const std::size_t step : {7u, 8u, 100u}) {
    EXPECT_EQ(polar_express_step(step).a, 1.875);
    EXPECT_EQ(polar_express_step(step).b, -1.25);
    EXPECT_EQ(polar_express_step(step).c, 0.375);
  }
}

TEST(Coefficients, ClassicConvergesToOneFlatly) {
  EXPECT_NEAR(1 - image(1e-3, 12, classic).first, 1.9e-2, 1e-3);
  EXPECT_LT(1 - image(1e-3, 15, classic).first, 1e-15);
  // p(1) = 1 and p'(1) = p''(1) = 0: a cubic contact, exactly representable.
  EXPECT_EQ(kClassic.a + kClassic.b + kClassic.c, 1.0);
  EXPECT_EQ(kClassic.a + 3 * kClassic.b + 5 * kClassic.c, 0.0);
  EXPECT_EQ(6 * kClassic.b + 20 * kClassic.c, 0.0);
}

}  // namespace
}  // namespace muonflow::linalg
