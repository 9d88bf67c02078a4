// The facts T1 to T9 about the smoothed nuclear norm, with the tolerances that double precision and
// finite differences allow.
#include "muonflow/geometry/smoothed_nuclear.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/linalg/norms.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::geometry {
namespace {

using reference::gaussian;

class SmoothedNuclearTest : public ::testing::TestWithParam<std::pair<Index, Index>> {
 protected:
  Index m = GetParam().first;
  Index n = GetParam().second;
  double r = static_cast<double>(std::min(m, n));
  linalg::Workspace<double> workspace;

  double value(const Matrix<double>& p, double epsilon) {
    return SmoothedNuclear<double>({.epsilon = epsilon}).value(p, workspace);
  }
  double conjugate(const Matrix<double>& x, double epsilon) {
    return *SmoothedNuclear<double>({.epsilon = epsilon}).conjugate(x, workspace);
  }
  Matrix<double> orth(const Matrix<double>& p, double epsilon) {
    Matrix<double> d = p;
    EXPECT_TRUE(smoothed_nuclear::steepest<double>(d, epsilon, workspace).ok());
    return d;
  }
  static double inner(const Matrix<double>& a, const Matrix<double>& b) {
    return (a.array() * b.array()).sum();
  }
};

constexpr std::array kEpsilons{0.05, 0.5, 2.0};

TEST_P(SmoothedNuclearTest, T1DirectionalDerivative) {
  for (const double epsilon : kEpsilons) {
    const Matrix<double> p = gaussian(m, n, 1);
    const Matrix<double> d = gaussian(m, n, 2) / std::sqrt(static_cast<double>(m * n));
    constexpr double kStep = 1e-5;
    // Central differences with one Richardson step: error h^4, and u / h of cancellation.
    const auto central = [&](double h) {
      return (value(p + h * d, epsilon) - value(p - h * d, epsilon)) / (2 * h);
    };
    const double slope = (4 * central(kStep) - central(2 * kStep)) / 3;
    EXPECT_NEAR(slope, inner(orth(p, epsilon), d), 1e-8);
  }
}

TEST_P(SmoothedNuclearTest, T2FenchelYoung) {
  for (const double epsilon : kEpsilons) {
    const Matrix<double> p = gaussian(m, n, 3);
    const Matrix<double> x = orth(p, epsilon);
    EXPECT_NEAR(value(p, epsilon) + conjugate(x, epsilon), inner(p, x), 1e-12 * (1 + inner(p, x)));
  }
}

TEST_P(SmoothedNuclearTest, T3BetweenTheNuclearNormAndTheNuclearNormLessREpsilon) {
  const Matrix<double> p = gaussian(m, n, 4);
  const double nuclear = linalg::nuclear_norm<double>(p);
  for (const double epsilon : {1e-8, 1e-3, 1.0, 100.0}) {
    const double gap = nuclear - value(p, epsilon);
    EXPECT_GE(gap, -1e-13 * nuclear);
    EXPECT_LE(gap, r * epsilon + 1e-13 * nuclear);
  }
}

TEST_P(SmoothedNuclearTest, T4LipschitzWithOneOverEpsilonAndSharpAtZero) {
  for (const double epsilon : kEpsilons) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Matrix<double> p = gaussian(m, n, 10 + seed);
      const Matrix<double> q = p + 0.1 * gaussian(m, n, 20 + seed);
      EXPECT_LE((orth(p, epsilon) - orth(q, epsilon)).norm(),
                (1 + 1e-12) * (p - q).norm() / epsilon);
    }
    const Matrix<double> tiny = 1e-8 * epsilon * gaussian(m, n, 30);
    EXPECT_NEAR(orth(tiny, epsilon).norm(), tiny.norm() / epsilon, 1e-12 * tiny.norm() / epsilon);
  }
}

// The derivative's multipliers in the singular basis: symmetric, skew and out-of-range parts.
TEST_P(SmoothedNuclearTest, T4DerivativeMultipliers) {
  if (m == 1 && n == 1) GTEST_SKIP() << "needs two directions";
  const auto rank = std::min(m, n);
  std::vector<double> s;
  for (Index i = 0; i < rank; ++i) s.push_back(2.0 - 1.5 * static_cast<double>(i) / r);
  const Matrix<double> u = reference::orthonormal(m, m, 41);
  const Matrix<double> v = reference::orthonormal(n, n, 42);
  Matrix<double> core = Matrix<double>::Zero(m, n);
  for (Index i = 0; i < rank; ++i) core(i, i) = s[static_cast<std::size_t>(i)];
  const Matrix<double> p = u * core * v.transpose();
  const double epsilon = 0.5;
  const auto f = [&](double x) { return x / std::hypot(x, epsilon); };
  const auto derivative = [&](const Matrix<double>& e) {
    constexpr double kStep = 1e-5;
    const Matrix<double> turned = u * e * v.transpose();
    const Matrix<double> difference =
        (orth(p + kStep * turned, epsilon) - orth(p - kStep * turned, epsilon)) / (2 * kStep);
    return Matrix<double>(u.transpose() * difference * v);
  };
  // Central differences: h^2 times third derivatives of size epsilon^-3.
  constexpr double kTolerance = 1e-8;
  Matrix<double> e = Matrix<double>::Zero(m, n);
  e(0, 0) = 1;
  const double square = s[0] * s[0] + epsilon * epsilon;
  EXPECT_LE((derivative(e) - epsilon * epsilon / std::pow(square, 1.5) * e).norm(), kTolerance);
  if (rank >= 2) {
    e.setZero();
    e(0, 1) = e(1, 0) = 1;
    EXPECT_LE((derivative(e) - (f(s[0]) - f(s[1])) / (s[0] - s[1]) * e).norm(), kTolerance);
    e(1, 0) = -1;
    EXPECT_LE((derivative(e) - (f(s[0]) + f(s[1])) / (s[0] + s[1]) * e).norm(), kTolerance);
  }
  if (m != n) {
    e.setZero();
    (m < n ? e(0, n - 1) : e(m - 1, 0)) = 1;
    EXPECT_LE((derivative(e) - f(s[0]) / s[0] * e).norm(), kTolerance);
  }
}

TEST_P(SmoothedNuclearTest, T5StrongConvexityOnABall) {
  for (const double epsilon : kEpsilons) {
    const SmoothedNuclear<double> phi({.epsilon = epsilon});
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Matrix<double> p = gaussian(m, n, 50 + seed);
      const Matrix<double> q = gaussian(m, n, 60 + seed);
      const double radius =
          std::max(linalg::spectral_norm<double>(p), linalg::spectral_norm<double>(q));
      const double bound = epsilon * epsilon / std::pow(radius * radius + epsilon * epsilon, 1.5);
      EXPECT_NEAR(phi.strong_convexity(radius), bound, 1e-14 * bound);
      EXPECT_GE(inner(orth(p, epsilon) - orth(q, epsilon), p - q),
                (1 - 1e-10) * bound * (p - q).squaredNorm());
    }
  }
}

TEST_P(SmoothedNuclearTest, T6PairingAgainstTheNuclearNorm) {
  for (const double epsilon : kEpsilons) {
    const Matrix<double> p = gaussian(m, n, 5);
    const double nuclear = linalg::nuclear_norm<double>(p);
    const double pairing = inner(p, orth(p, epsilon));
    EXPECT_LE(pairing, nuclear * (1 + 1e-14));
    EXPECT_GE(pairing,
              nuclear - 0.30029 * r * epsilon);  // max of t (1 - t / sqrt(1 + t^2)), rounded up
  }
}

TEST_P(SmoothedNuclearTest, T7PairingBetweenOneAndTwoPotentials) {
  for (const double epsilon : kEpsilons) {
    for (const double scale : {1e-6, 1.0, 1e6}) {
      const Matrix<double> p = scale * gaussian(m, n, 6);
      const double phi = value(p, epsilon);
      const double pairing = inner(p, orth(p, epsilon));
      EXPECT_LE(phi, pairing * (1 + 1e-12));
      EXPECT_LE(pairing, 2 * phi * (1 + 1e-12));
    }
  }
}

TEST_P(SmoothedNuclearTest, T8QuadraticBounds) {
  for (const double epsilon : kEpsilons) {
    const Matrix<double> p = gaussian(m, n, 7);
    const double square = p.squaredNorm();
    const double a = 1 / std::hypot(linalg::spectral_norm<double>(p), epsilon);
    const double pairing = inner(p, orth(p, epsilon));
    const double phi = value(p, epsilon);
    constexpr double kRoom = 1 + 1e-13;
    EXPECT_LE(a * square, pairing * kRoom);
    EXPECT_LE(pairing, square / epsilon * kRoom);
    EXPECT_LE(a / 2 * square, phi * kRoom);
    EXPECT_LE(phi, square / (2 * epsilon) * kRoom);
  }
}

TEST_P(SmoothedNuclearTest, T9EquivarianceAndScale) {
  const Matrix<double> p = gaussian(m, n, 8);
  const Matrix<double> u = reference::orthonormal(m, m, 9);
  const Matrix<double> v = reference::orthonormal(n, n, 10);
  for (const double epsilon : kEpsilons) {
    const Matrix<double> plain = orth(p, epsilon);
    EXPECT_LE((orth(u * p * v, epsilon) - u * plain * v).norm(), 1e-12);
    for (const double c : {1e-3, 7.0, 1e3}) {
      EXPECT_LE((orth(c * p, c * epsilon) - plain).norm(), 1e-12);
    }
  }
}

TEST_P(SmoothedNuclearTest, GradientOfTheConjugateIsTheInverseMap) {
  const double epsilon = 0.5;
  const Matrix<double> p = gaussian(m, n, 11);
  const Matrix<double> x = orth(p, epsilon);
  const Matrix<double> back = reference::map_singular_values(
      x, [&](long double s) { return epsilon * s / std::sqrt((1 - s) * (1 + s)); });
  // 1 - s^2 is at least epsilon^2 / s_max^2, which is how much the inverse stretches rounding.
  const double stretch = std::pow(1 + linalg::spectral_norm<double>(p) / epsilon, 3);
  EXPECT_LE((back - p).norm(), 1e-14 * stretch * p.norm());
}

TEST_P(SmoothedNuclearTest, ConjugateOutsideTheBallIsInfinite) {
  Matrix<double> x = gaussian(m, n, 12);
  x /= linalg::spectral_norm<double>(x);
  EXPECT_NEAR(conjugate(Matrix<double>::Zero(m, n), 0.5), 0, 0);
  EXPECT_TRUE(std::isfinite(conjugate(x, 0.5)));
  EXPECT_EQ(conjugate(1.001 * x, 0.5), std::numeric_limits<double>::infinity());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SmoothedNuclearTest,
    ::testing::Values(std::pair<Index, Index>{1, 1}, std::pair<Index, Index>{1, 6},
                      std::pair<Index, Index>{4, 8}, std::pair<Index, Index>{8, 4},
                      std::pair<Index, Index>{6, 6}, std::pair<Index, Index>{3, 48}));

}  // namespace
}  // namespace muonflow::geometry
