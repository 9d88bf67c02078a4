// Geometries whose steps are bounded, against their definitions by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/geometry/geometries.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

using reference::gaussian;

TEST(HuberNuclear, IsTheMoreauEnvelope) {
  linalg::Workspace<double> workspace;
  const HuberNuclear<double> phi({.delta = 0.7});
  const Matrix<double> p = gaussian(4, 6, 1);
  Matrix<double> d = p;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  // The minimizing Z is P - delta grad, and any other one gives more.
  const auto envelope = [&](const Matrix<double>& z) {
    return linalg::nuclear_norm<double>(z) + (p - z).squaredNorm() / (2 * 0.7);
  };
  const double value = phi.value(p, workspace);
  EXPECT_NEAR(envelope(p - 0.7 * d), value, 1e-12 * value);
  for (std::uint64_t seed = 2; seed < 8; ++seed) {
    EXPECT_GE(envelope(p - 0.7 * d + 0.1 * gaussian(4, 6, seed)), value);
  }
}

TEST(HuberNuclear, ClipsSingularValues) {
  linalg::Workspace<double> workspace;
  const HuberNuclear<double> phi({.delta = 2});
  Matrix<double> d(2, 2);
  d << 5, 0, 0, 1;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  EXPECT_NEAR(d(0, 0), 1, 1e-15);
  EXPECT_NEAR(d(1, 1), 0.5, 1e-15);
  EXPECT_EQ(phi.strong_convexity(2), 0.5);
  EXPECT_EQ(phi.strong_convexity(2.1), 0);
}

TEST(Relativistic, StaysBelowTheSpeedOfLight) {
  linalg::Workspace<double> workspace;
  const Relativistic<double> phi;
  Matrix<double> d(1, 2);
  d << 3, 4;
  EXPECT_NEAR(phi.value(d, workspace), std::sqrt(26.0) - 1, 1e-15);
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  EXPECT_NEAR(d.norm(), 5 / std::sqrt(26.0), 1e-15);
  // Tiny momenta: 1/2 |P|^2, which the difference of the root and 1 would lose.
  const Matrix<double> tiny = 1e-9 * gaussian(3, 3, 1);
  EXPECT_NEAR(phi.value(tiny, workspace) / tiny.squaredNorm(), 0.5, 1e-12);
}

TEST(SmoothedSign, IsSmoothedNuclearOnARow) {
  linalg::Workspace<double> workspace;
  const SmoothedSign<double> entries({.epsilon = 0.3});
  const SmoothedNuclear<double> values({.epsilon = 0.3});
  Matrix<double> diagonal = Matrix<double>::Zero(3, 3);
  diagonal.diagonal() << 2, -0.1, 0.5;
  EXPECT_NEAR(entries.value(diagonal, workspace), values.value(diagonal, workspace), 1e-14);
  Matrix<double> a = diagonal, b = diagonal;
  ASSERT_TRUE(entries.gradient(a, workspace).ok());
  ASSERT_TRUE(values.gradient(b, workspace).ok());
  EXPECT_LE((a - b).norm(), 1e-14);
}

TEST(RowNorm, RowsBecomeUnitVectors) {
  linalg::Workspace<double> workspace;
  const RowNorm<double> phi;
  Matrix<double> d(3, 2);
  d << 3, 4, 0, 0, 0, -2;
  EXPECT_EQ(phi.value(d, workspace), 7);
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  Matrix<double> expected(3, 2);
  expected << 0.6, 0.8, 0, 0, 0, -1;
  EXPECT_LE((d - expected).norm(), 1e-15);
  EXPECT_EQ(phi.conjugate(d, workspace), 0);
  EXPECT_TRUE(std::isinf(*phi.conjugate(1.1 * d, workspace)));
  // Right turns leave it, left turns do not.
  const Matrix<double> p = gaussian(4, 6, 1);
  const Matrix<double> v = reference::orthonormal(6, 6, 2), u = reference::orthonormal(4, 4, 3);
  EXPECT_NEAR(phi.value(p * v, workspace), phi.value(p, workspace), 1e-13);
  EXPECT_GT(std::abs(phi.value(u * p, workspace) - phi.value(p, workspace)), 1e-3);
}

// A gradient has a symmetric derivative; Kaon's map has not.
TEST(Chaotic, IsNoGradient) {
  linalg::Workspace<double> workspace;
  const Chaotic<double> map({.map = {.ns_steps = 1}});
  const auto along = [&](double x, double y, Index out) {
    Matrix<double> d = Matrix<double>::Zero(2, 2);
    d.diagonal() << x, y;
    EXPECT_TRUE(map.gradient(d, workspace).ok());
    return d(out, out);
  };
  const double h = 1e-5;
  const double across = (along(2, 1 + h, 0) - along(2, 1 - h, 0)) / (2 * h);
  const double back = (along(2 + h, 1, 1) - along(2 - h, 1, 1)) / (2 * h);
  EXPECT_GT(std::abs(across - back), 0.1);
  EXPECT_FALSE(map.info().has_potential);
}

}  // namespace
}  // namespace muonflow::geometry
