#include "muonflow/linalg/polar/zolotarev.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/linalg/polar/qdwh.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class ZolotarevTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ZolotarevTest, Scalars);

TYPED_TEST(ZolotarevTest, TwoStepsForEveryCondition) {
  using T = TypeParam;
  std::int64_t before = 1;
  for (const double condition : {2.0, 1e2, 1e4, 1e6, 1e9, 1e12}) {
    if (sizeof(T) == sizeof(float) && condition > 1e6) continue;
    Matrix<T> x = reference::with_spectrum(24, 24, reference::geometric(24, condition), 95)
                      .template cast<T>();
    RationalPolarReport report;
    Workspace<T> workspace;
    ASSERT_TRUE(zolotarev<T>(x, {}, workspace, &report).ok());
    EXPECT_LE(report.steps, 2);
    EXPECT_LE(report.products, 1);
    EXPECT_GE(report.terms, before);
    EXPECT_LE(report.terms, 8);
    before = report.terms;
  }
}

// The known bound 1e-16 asks for the full eight terms only where the closing step is not counted
// on; with it, fewer do. Whatever their number, the result is the same.
TYPED_TEST(ZolotarevTest, EveryNumberOfTermsGivesTheSameFactor) {
  using T = TypeParam;
  const Matrix<T> a =
      reference::with_spectrum(30, 30, reference::geometric(30, 1e3), 96).template cast<T>();
  Workspace<T> workspace;
  Matrix<T> expected = a;
  ASSERT_TRUE(qdwh<T>(expected, {}, workspace).ok());
  std::int64_t before = 100;
  for (std::int64_t terms = 1; terms <= 8; ++terms) {
    Matrix<T> x = a;
    RationalPolarReport report;
    ASSERT_TRUE(zolotarev<T>(x, {.terms = terms}, workspace, &report).ok());
    EXPECT_EQ(report.terms, terms);
    EXPECT_LE(report.steps, before);
    before = report.steps;
    // Both are within their backward error times the condition, 1e3.
    EXPECT_LE(static_cast<double>((x - expected).norm()),
              32 * std::sqrt(30.0) * 1e3 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

// One term is QDWH up to the rounding of its coefficients.
TYPED_TEST(ZolotarevTest, OneTermTakesTheStepsOfQdwh) {
  using T = TypeParam;
  for (const double condition : {1e1, 1e3, 1e6}) {
    const Matrix<T> a = reference::with_spectrum(20, 20, reference::geometric(20, condition), 97)
                            .template cast<T>();
    Workspace<T> workspace;
    RationalPolarReport halley;
    RationalPolarReport one;
    Matrix<T> x = a;
    Matrix<T> y = a;
    ASSERT_TRUE(qdwh<T>(x, {}, workspace, &halley).ok());
    ASSERT_TRUE(zolotarev<T>(y, {.terms = 1}, workspace, &one).ok());
    EXPECT_EQ(one.qr, halley.qr);
    EXPECT_EQ(one.cholesky, halley.cholesky);
    EXPECT_EQ(one.products, halley.products);
    EXPECT_EQ(one.lower, halley.lower);
  }
}

// From the smallest bound that a double can need: s_min / s_max = 1e-16 by the caller's word.
TEST(ZolotarevStepsTest, ConditionTenToTheSixteenInTwoSteps) {
  Matrix<double> x = Matrix<double>::Zero(5, 5);
  x.diagonal() << 1, 1e-4, 1e-8, 1e-12, 1e-16;
  RationalPolarReport report;
  Workspace<double> workspace;
  ASSERT_TRUE(zolotarev<double>(x, {.lower = 1e-16, .terms = 8}, workspace, &report).ok());
  EXPECT_EQ(report.steps, 2);
  EXPECT_EQ(report.terms, 8);
  EXPECT_LE((x - Matrix<double>::Identity(5, 5)).norm(),
            64 * std::numeric_limits<double>::epsilon());
}

}  // namespace
}  // namespace muonflow::linalg
