#include "muonflow/linalg/polar/quality.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/linalg/polar/report.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class PolarQualityTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PolarQualityTest, Scalars);

// Against the exact numbers; k probes of a sum of m squares miss it by less than a factor of two
// here.
TYPED_TEST(PolarQualityTest, EstimatesTheExactNumbers) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{96, 96}, {130, 300}, {300, 130}}) {
    const Matrix<T> q = reference::gaussian(m, n, 91).template cast<T>();
    for (const auto method : {PolarMethod::jordan, PolarMethod::you, PolarMethod::classic}) {
      Matrix<T> x = q;
      Workspace<T> workspace;
      PolarQuality quality;
      ASSERT_TRUE(polar_with_quality<T>(x, {.method = method}, workspace, quality).ok());
      const auto exact = polar_report<T>(q, x, {.method = method}, std::nullopt);
      EXPECT_LE(quality.orthogonality_error, 2 * exact.orthogonality_error) << enum_name(method);
      EXPECT_GE(quality.orthogonality_error, 0.5 * exact.orthogonality_error);
      EXPECT_NEAR(quality.dual_gap, exact.dual_gap, 0.05 + 0.5 * std::abs(exact.dual_gap));
      EXPECT_NEAR(quality.pairing,
                  q.template cast<double>().cwiseProduct(x.template cast<double>()).sum(),
                  1e-5 * quality.pairing);
      EXPECT_GT(quality.definiteness, 0);
      EXPECT_LE(quality.asymmetry, 1e-4);
      EXPECT_GE(std::abs(quality.worst_singular_value - 1), 0.3 * exact.orthogonality_error);
      EXPECT_EQ(quality.iteration.steps, 5);
    }
  }
}

TYPED_TEST(PolarQualityTest, TheExactFactorHasNoError) {
  using T = TypeParam;
  Matrix<T> x = reference::gaussian(80, 120, 92).template cast<T>();
  Workspace<T> workspace;
  PolarQuality quality;
  ASSERT_TRUE(polar_with_quality<T>(x, {.method = PolarMethod::svd}, workspace, quality).ok());
  const double roundoff = 200 * static_cast<double>(std::numeric_limits<T>::epsilon());
  EXPECT_LE(quality.orthogonality_error, roundoff);
  EXPECT_LE(quality.residual, roundoff);
  EXPECT_LE(quality.asymmetry, roundoff);
  EXPECT_LE(std::abs(quality.dual_gap), roundoff);
  EXPECT_NEAR(quality.worst_singular_value, 1, roundoff);
}

// What a guard is for: a result that is no polar factor of this input.
TYPED_TEST(PolarQualityTest, WrongResultsShow) {
  using T = TypeParam;
  const Matrix<T> q = reference::gaussian(70, 90, 93).template cast<T>();
  Matrix<T> polar_factor = q;
  Workspace<T> workspace;
  ASSERT_TRUE(polar<T>(polar_factor, {.method = PolarMethod::svd}, workspace).ok());
  // Not orthogonalized at all; half as long; a reflected one; that of another matrix.
  EXPECT_GT(polar_quality<T>(q, q, workspace).orthogonality_error, 10);
  EXPECT_NEAR(polar_quality<T>(q, Matrix<T>(T(0.5) * polar_factor), workspace).orthogonality_error,
              0.75, 0.01);
  EXPECT_LT(polar_quality<T>(q, Matrix<T>(-polar_factor), workspace).definiteness, 0);
  Matrix<T> other = reference::gaussian(70, 90, 94).template cast<T>();
  ASSERT_TRUE(polar<T>(other, {.method = PolarMethod::svd}, workspace).ok());
  const auto of_other = polar_quality<T>(q, other, workspace);
  EXPECT_GT(of_other.residual, 0.3);
  EXPECT_GT(of_other.asymmetry, 0.1);
}

TYPED_TEST(PolarQualityTest, EmptyAndZero) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> zero = Matrix<T>::Zero(5, 7);
  EXPECT_EQ(polar_quality<T>(zero, zero, workspace).residual, 0);
  const Matrix<T> none(0, 4);
  EXPECT_EQ(polar_quality<T>(none, none, workspace).residual, 0);
}

}  // namespace
}  // namespace muonflow::linalg
