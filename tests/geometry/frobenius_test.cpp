#include "muonflow/geometry/frobenius.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

TEST(Frobenius, IsHalfTheSquareAndItsOwnConjugate) {
  const Frobenius<double> phi;
  linalg::Workspace<double> workspace;
  const Matrix<double> p = reference::gaussian(4, 7, 1);
  EXPECT_NEAR(phi.value(p, workspace), p.squaredNorm() / 2, 1e-14 * p.squaredNorm());
  EXPECT_EQ(*phi.conjugate(p, workspace), phi.value(p, workspace));
  Matrix<double> d = p;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  EXPECT_TRUE(d == p);
  EXPECT_EQ(*phi.hessian_bound(), 1);
  EXPECT_EQ(phi.strong_convexity(1e6), 1);
}

}  // namespace
}  // namespace muonflow::geometry
