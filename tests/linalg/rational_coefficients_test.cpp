#include "muonflow/linalg/rational_coefficients.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/special_functions/ellint_1.hpp>
#include <boost/math/special_functions/jacobi_elliptic.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/linalg/roundoff.hpp"

namespace muonflow::linalg {
namespace {

// From l to 1, evenly in the logarithm; both ends included.
std::vector<double> points(double l, int count) {
  std::vector<double> x;
  for (int i = 0; i <= count; ++i) x.push_back(std::pow(l, 1 - static_cast<double>(i) / count));
  x.front() = l;
  x.back() = 1;
  return x;
}

struct Row {
  double a;
  double gap;  // 1 - l afterwards
};

// Digits as published or measured; the last one may round either way.
void expect_iteration(double l, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const QdwhCoefficients f = qdwh_coefficients(l);
    EXPECT_NEAR(f.a / row.a, 1, 5e-3);
    EXPECT_EQ(f.b, (f.a - 1) * (f.a - 1) / 4);
    EXPECT_EQ(f.c, f.a + f.b - 1);
    l = std::min(1.0, f(l));
    if (row.gap >= 0) {
      EXPECT_LE(std::abs(1 - l - row.gap), 0.06 * row.gap + 2 * kUnit);
    }
  }
}

TEST(QdwhCoefficientsTest, FollowTheTablesFromThreeConditions) {
  expect_iteration(
      1e-16,
      {{1.17e11, -1}, {4890, 0.943}, {17.09, 0.218}, {3.404, 2.3e-4}, {3.00035, 1.9e-13}, {3, 0}});
  expect_iteration(1e-3, {{251.99, 0.752}, {6.637, 0.0371}, {3.0575, 8.4e-7}, {3, 0}});
  double l = 1e-5;
  for (int step = 0; step < 4; ++step) l = qdwh_coefficients(l)(l);
  EXPECT_NEAR((1 - l) / 2.8e-13, 1, 0.03);
  l = 1e-8;
  for (int step = 0; step < 5; ++step) l = qdwh_coefficients(l)(l);
  EXPECT_LE(1 - l, 4 * kUnit);
}

TEST(QdwhCoefficientsTest, HalleysStepIsTheLimit) {
  const QdwhCoefficients f = qdwh_coefficients(1);
  EXPECT_EQ(f.a, 3);
  EXPECT_EQ(f.b, 1);
  EXPECT_EQ(f.c, 3);
  EXPECT_TRUE(std::isfinite(qdwh_coefficients(1e-60).c));
}

// Where f takes its least value: at l, and again inside: the error equioscillates.
TEST(QdwhCoefficientsTest, MapsTheIntervalOntoOneUpToOne) {
  for (const double l : {1e-17, 1e-9, 1e-3, 0.1, 0.7, 0.999}) {
    const QdwhCoefficients f = qdwh_coefficients(l);
    double least = 1;
    for (const double x : points(l, 4000)) {
      EXPECT_GE(f(x), f(l) * (1 - 16 * kUnit));
      EXPECT_LE(f(x), 1 + 16 * kUnit);
      if (x > 1.5 * l) least = std::min(least, f(x));
    }
    EXPECT_NEAR(f(1), 1, 8 * kUnit);
    // As close as the grid comes to the minimum.
    if (l < 0.1) {
      EXPECT_NEAR(least / f(l), 1, 1e-4);
    }
  }
}

// Boost takes the modulus, so only where sqrt(1 - l^2) still tells l: the relative error it passes
// on is about u / l^2.
TEST(EllipticTest, AgreesWithBoostWhereTheModulusHoldsTheDigits) {
  for (const double l : {0.9, 0.5, 0.1, 1e-2}) {
    const double modulus = std::sqrt((1 - l) * (1 + l));
    const double tolerance = 16 * kUnit / (l * l);
    const double k = boost::math::ellint_1(modulus);
    EXPECT_NEAR(elliptic_k(l) / k, 1, tolerance);
    for (const double fraction : {0.01, 0.2, 0.5, 0.8, 0.99}) {
      const double twin = boost::math::jacobi_cs(modulus, fraction * k);
      EXPECT_NEAR(elliptic_cs(fraction, l) / twin, 1, 4 * tolerance / (1 - fraction));
    }
  }
}

// cs(K - u) = l / cs(u) (so cs(K / 2) = sqrt(l)), and the doubling formula: exact for every l.
TEST(EllipticTest, KeepsItsRelationsDownToOneOverTenToTheSeventeen) {
  for (const double l : {0.3, 1e-4, 1e-8, 1e-12, 1e-17, 1e-40}) {
    EXPECT_NEAR(elliptic_cs(0.5, l) / std::sqrt(l), 1, 32 * kUnit);
    for (const double fraction : {1.0 / 17, 0.2, 0.4}) {
      const double cs = elliptic_cs(fraction, l);
      EXPECT_NEAR(elliptic_cs(1 - fraction, l) * cs / l, 1, 64 * kUnit);
      // cs(2u) = (cs^4 - l^2) / (2 cs ns ds), ns^2 = cs^2 + 1, ds^2 = cs^2 + l^2; cancels near K/2.
      const double square = cs * cs;
      const double twice =
          (square + l) * (square - l) / (2 * cs * std::sqrt((square + 1) * (square + l * l)));
      EXPECT_NEAR(elliptic_cs(2 * fraction, l) / twice, 1, 256 * kUnit);
    }
    // K = log(4 / l) + O(l^2 log l).
    if (l < 1e-8) {
      EXPECT_NEAR(elliptic_k(l) / std::log(4 / l), 1, 16 * kUnit);
    }
  }
}

TEST(ZolotarevCoefficientsTest, OneTermIsQdwh) {
  for (const double l : {1e-17, 1e-8, 1e-3, 0.3, 0.99, 1.0}) {
    const ZolotarevCoefficients z = zolotarev_coefficients(l, 1);
    const QdwhCoefficients q = qdwh_coefficients(l);
    for (const double x : points(l, 50)) EXPECT_NEAR(z(x) / q(x), 1, 256 * kUnit);
    // The same partial fractions: slopes agree to the accuracy of b - 1 near l = 1.
    EXPECT_NEAR(z.rational().terms[0].slope / q.rational().terms[0].slope, 1, 1e-13);
    EXPECT_NEAR(z.rational().linear / q.rational().linear, 1, 1e-13);
  }
}

TEST(ZolotarevCoefficientsTest, EquioscillatesOnTheInterval) {
  for (const std::size_t r : {1U, 2U, 3U, 5U, 8U}) {
    for (const double l : {1e-17, 1e-8, 1e-3, 0.2}) {
      const ZolotarevCoefficients f = zolotarev_coefficients(l, r);
      ASSERT_EQ(f.c.size(), 2 * r);
      EXPECT_TRUE(std::is_sorted(f.c.begin(), f.c.end()));
      const double bottom = f(l);
      EXPECT_GT(bottom, l);
      EXPECT_NEAR(f(1), 1, 64 * kUnit);
      // r interior minima at f(l) and r interior maxima at 1, in turn: 2r + 2 points with the ends.
      int touched = 1;
      bool low = true;
      const double band = 0.02 * (1 - bottom) + 64 * kUnit;
      for (const double x : points(l, 20000)) {
        const double y = f(x);
        EXPECT_GE(y, bottom * (1 - 256 * kUnit));
        EXPECT_LE(y, 1 + 256 * kUnit);
        if (1 - bottom < 1e-9) continue;  // the ripple drowns in roundoff
        if (low ? y >= 1 - band : y <= bottom + band) {
          ++touched;
          low = !low;
        }
      }
      if (1 - bottom >= 1e-9) {
        EXPECT_EQ(touched, static_cast<int>(2 * r + 2));
      }
    }
  }
}

TEST(ZolotarevCoefficientsTest, ProductAndPartialFractionsAgree) {
  for (const std::size_t r : {1U, 2U, 4U, 8U}) {
    for (const double l : {1e-17, 1e-6, 0.1}) {
      const ZolotarevCoefficients f = zolotarev_coefficients(l, r);
      const OddRational sum = f.rational();
      ASSERT_EQ(sum.count, r);
      for (const double x : points(l, 200)) {
        // All terms are positive: nothing cancels.
        EXPECT_NEAR(sum(x) / f(x), 1, 256 * static_cast<double>(r) * kUnit);
        EXPECT_EQ(sum(-x), -sum(x));
      }
    }
  }
}

// Two steps of r terms are one of ((2r + 1)^2 - 1) / 2 terms.
TEST(ZolotarevCoefficientsTest, ComposedWithItselfItIsZolotarevsOfTheSquaredDegree) {
  for (const std::size_t r : {1U, 2U, 3U, 8U}) {
    for (const double l : {1e-16, 1e-6, 1e-2}) {
      const ZolotarevCoefficients first = zolotarev_coefficients(l, r);
      const ZolotarevCoefficients second = zolotarev_coefficients(first(l), r);
      const std::size_t order = ((2 * r + 1) * (2 * r + 1) - 1) / 2;
      const ZolotarevCoefficients whole = zolotarev_coefficients(l, order);
      for (const double x : points(l, 300)) {
        // A product of 2 order quotients, each a few roundings.
        EXPECT_NEAR(second(first(x)) / whole(x), 1, 64 * static_cast<double>(order + 8) * kUnit);
      }
    }
  }
}

TEST(ZolotarevOrderTest, TwoStepsOfEightTermsReachConditionTenToTheSixteen) {
  EXPECT_EQ(zolotarev_order(1e-16, 2, 1e-15), 8U);
  EXPECT_EQ(zolotarev_order(1.0, 2, 0.0), 1U);
  std::size_t before = 1;
  for (const double l : {0.9, 1e-1, 1e-2, 1e-4, 1e-7, 1e-11, 1e-16}) {
    const std::size_t r = zolotarev_order(l, 2, 1e-15);
    EXPECT_GE(r, before);
    double at = l;
    for (int step = 0; step < 2; ++step) at = std::min(1.0, zolotarev_coefficients(at, r)(at));
    EXPECT_LE(1 - at, 1e-15);
    before = r;
  }
}

}  // namespace
}  // namespace muonflow::linalg
