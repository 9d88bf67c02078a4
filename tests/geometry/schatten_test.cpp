#include "muonflow/geometry/schatten.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

using reference::gaussian;

class EveryExponent : public ::testing::TestWithParam<double> {
 protected:
  Schatten<double> phi{{.q = GetParam()}};
  linalg::Workspace<double> workspace;
};

TEST_P(EveryExponent, FenchelYoungAndStrongConvexity) {
  const Matrix<double> p = gaussian(4, 6, 1), q = gaussian(4, 6, 2);
  Matrix<double> dp = p, dq = q;
  ASSERT_TRUE(phi.gradient(dp, workspace).ok());
  ASSERT_TRUE(phi.gradient(dq, workspace).ok());
  const double pairing = (p.array() * dp.array()).sum();
  EXPECT_NEAR(phi.value(p, workspace) + *phi.conjugate(dp, workspace), pairing, 1e-12 * pairing);
  const double radius =
      std::max(linalg::spectral_norm<double>(p), linalg::spectral_norm<double>(q));
  EXPECT_GE(((dp - dq).array() * (p - q).array()).sum(),
            phi.strong_convexity(radius) * (p - q).squaredNorm() - 1e-13);
}

INSTANTIATE_TEST_SUITE_P(Some, EveryExponent, ::testing::Values(1.1, 1.5, 2.0, 3.0, 6.0),
                         [](const auto& tested) {
                           return "q" + std::to_string(static_cast<int>(10 * tested.param));
                         });

TEST(Schatten, TwoIsFrobenius) {
  linalg::Workspace<double> workspace;
  const Schatten<double> phi({.q = 2});
  const Matrix<double> p = gaussian(5, 3, 3);
  Matrix<double> d = p;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  EXPECT_LE((d - p).norm(), 1e-14 * p.norm());
  EXPECT_NEAR(phi.value(p, workspace), p.squaredNorm() / 2, 1e-14 * p.squaredNorm());
  EXPECT_EQ(phi.hessian_bound(), 1);
}

TEST(Schatten, RefusesExponentsThatAreNoNormsPower) {
  EXPECT_THROW((void)make_potential<double>("schatten", Json{{"q", 1.0}}), ConfigError);
}

}  // namespace
}  // namespace muonflow::geometry
