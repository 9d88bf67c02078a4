#include "muonflow/geometry/schatten_quasi.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

using reference::gaussian;

// mu U diag(s^(q-1)) V^T on a diagonal matrix, by hand.
TEST(SchattenQuasi, IsFreonsCovariantMap) {
  linalg::Workspace<double> workspace;
  Matrix<double> d(2, 3);
  d << 4, 0, 0, 0, 1, 0;
  const SchattenQuasi<double> phi({.q = 0.5});
  EXPECT_NEAR(phi.value(d, workspace), 2 * 1.5 * 1.5, 1e-14);
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  const double mu = 1.5;  // ((2 + 1)/2)^((1 - q)/q)
  EXPECT_NEAR(d(0, 0), mu / 2, 1e-14);
  EXPECT_NEAR(d(1, 1), mu, 1e-14);
}

// Of degree one, so that Euler's identity holds, and the gradient forgets the scale.
TEST(SchattenQuasi, TheGradientForgetsTheScale) {
  linalg::Workspace<double> workspace;
  const SchattenQuasi<double> phi;
  const Matrix<double> p = gaussian(4, 6, 1);
  Matrix<double> d = p, scaled = 1e6 * p;
  const auto found = phi.value_and_gradient(d, workspace);
  ASSERT_TRUE(phi.gradient(scaled, workspace).ok());
  EXPECT_LE((d - scaled).norm(), 1e-12 * d.norm());
  EXPECT_NEAR(found.pairing, found.value, 1e-12 * found.value);
}

TEST(SchattenQuasi, VanishingSingularValuesStay) {
  linalg::Workspace<double> workspace;
  const SchattenQuasi<double> phi;
  Matrix<double> d = gaussian(5, 1, 2) * gaussian(1, 7, 3);
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  EXPECT_TRUE(d.allFinite());
  EXPECT_NEAR(linalg::nuclear_norm<double>(d), linalg::spectral_norm<double>(d), 1e-10);
}

TEST(SchattenQuasi, IsNotConvex) {
  linalg::Workspace<double> workspace;
  const SchattenQuasi<double> phi;
  Matrix<double> a = Matrix<double>::Zero(2, 2), b = a;
  a(0, 0) = b(1, 1) = 1;
  EXPECT_GT(phi.value((a + b) / 2, workspace),
            (phi.value(a, workspace) + phi.value(b, workspace)) / 2);
}

}  // namespace
}  // namespace muonflow::geometry
