#include "muonflow/geometry/sign.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

TEST(Sign, ValueGradientAndConjugate) {
  const Sign<double> phi;
  linalg::Workspace<double> workspace;
  Matrix<double> p(2, 3);
  p << 2, -3, 0, -0.0, 1e-300, -1e300;
  EXPECT_EQ(phi.value(p, workspace), 1e300);
  Matrix<double> d = p;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  Matrix<double> expected(2, 3);
  expected << 1, -1, 0, 0, 1, -1;
  EXPECT_TRUE(d == expected);
  EXPECT_EQ(*phi.conjugate(d, workspace), 0);
  EXPECT_EQ(*phi.conjugate(Matrix<double>(1.001 * d), workspace),
            std::numeric_limits<double>::infinity());
}

TEST(Sign, SteepestLeavesGapsBetweenRowsAlone) {
  reference::Strided<float> p(reference::gaussian(5, 6, 2).cast<float>(), 3);
  const Matrix<float> before = p.values();
  ASSERT_TRUE(sign::steepest<float>(p.ref()).ok());
  EXPECT_TRUE(p.gaps_untouched());
  EXPECT_TRUE((p.values().array() * before.array() > 0).all());
  EXPECT_TRUE((p.values().array().abs() == 1).all());
}

}  // namespace
}  // namespace muonflow::geometry
