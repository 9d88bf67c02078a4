// Laws that every enrolled geometry keeps, selected by what it declares.
#include "muonflow/geometry/geometries.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/geometry/potential.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

using reference::gaussian;
using Shapes = std::vector<std::pair<Index, Index>>;

const Shapes kShapes{{1, 7}, {7, 1}, {4, 9}, {9, 4}, {6, 6}, {3, 40}};

class EveryGeometry : public ::testing::TestWithParam<GeometryEntry> {
 protected:
  std::unique_ptr<Potential<double>> phi = make_potential<double>(GetParam().name, Json::object());
  linalg::Workspace<double> workspace;

  double value(const Matrix<double>& p) { return phi->value(p, workspace); }
  Matrix<double> gradient(const Matrix<double>& p) {
    Matrix<double> d = p;
    EXPECT_TRUE(phi->gradient(d, workspace).ok());
    return d;
  }
};

TEST_P(EveryGeometry, DescribesItself) {
  EXPECT_EQ(phi->info().name, GetParam().name);
  EXPECT_FALSE(phi->info().equation.empty());
  EXPECT_FALSE(phi->info().cite.empty());
  EXPECT_EQ(phi->info().smooth, phi->hessian_bound().has_value());
}

TEST_P(EveryGeometry, IsZeroAtZeroAndZeroStaysZero) {
  Matrix<double> zero = Matrix<double>::Zero(3, 5);
  EXPECT_EQ(value(zero), 0);
  EXPECT_TRUE(gradient(zero).isZero(0));
}

TEST_P(EveryGeometry, GradientMatchesFiniteDifferences) {
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> p = gaussian(m, n, 101);
    const Matrix<double> direction = gaussian(m, n, 102) / std::sqrt(static_cast<double>(m * n));
    constexpr double kStep = 1e-6;
    const double slope =
        (value(p + kStep * direction) - value(p - kStep * direction)) / (2 * kStep);
    // Second differences of size h^2 times the third derivative, and u / h of cancellation.
    EXPECT_NEAR(slope, (gradient(p).array() * direction.array()).sum(), 1e-7) << m << "x" << n;
  }
}

// Phi(P) + Phi*(grad Phi(P)) = <P, grad Phi(P)>.
TEST_P(EveryGeometry, FenchelYoungIsAnEqualityAtTheGradient) {
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> p = 3 * gaussian(m, n, 103);
    const Matrix<double> d = gradient(p);
    const auto conjugate = phi->conjugate(d, workspace);
    if (!conjugate) GTEST_SKIP() << GetParam().name << " declares no conjugate";
    const double pairing = (p.array() * d.array()).sum();
    EXPECT_NEAR(value(p) + *conjugate, pairing, 1e-12 * std::max(1.0, std::abs(pairing)));
  }
}

TEST_P(EveryGeometry, FenchelYoungIsAnInequalityElsewhere) {
  const Matrix<double> p = gaussian(5, 8, 104);
  for (const double scale : {0.01, 0.1, 1.0, 10.0}) {
    const Matrix<double> x = scale * gaussian(5, 8, 105);
    const auto conjugate = phi->conjugate(x, workspace);
    if (!conjugate) GTEST_SKIP() << GetParam().name << " declares no conjugate";
    EXPECT_GE(value(p) + *conjugate - (p.array() * x.array()).sum(), -1e-12);
  }
}

TEST_P(EveryGeometry, ConvexOnesHaveMonotoneGradients) {
  if (!phi->info().convex) GTEST_SKIP() << GetParam().name << " is not convex";
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix<double> p = gaussian(4, 6, 200 + seed);
    const Matrix<double> q = gaussian(4, 6, 300 + seed);
    EXPECT_GE(((gradient(p) - gradient(q)).array() * (p - q).array()).sum(), -1e-13);
    EXPECT_LE(value((p + q) / 2), (value(p) + value(q)) / 2 + 1e-13);
  }
}

TEST_P(EveryGeometry, SmoothOnesAreLipschitzWithTheirConstant) {
  const auto bound = phi->hessian_bound();
  if (!bound) GTEST_SKIP() << GetParam().name << " is not smooth";
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (const double scale : {1e-4, 1e-2, 1.0}) {
      const Matrix<double> p = scale * gaussian(4, 6, 200 + seed);
      const Matrix<double> q = p + scale * gaussian(4, 6, 300 + seed);
      EXPECT_LE((gradient(p) - gradient(q)).norm(), (1 + 1e-10) * *bound * (p - q).norm());
    }
  }
  // Sharp at zero.
  const Matrix<double> tiny = 1e-9 * gaussian(4, 6, 400);
  EXPECT_NEAR(gradient(tiny).norm() / tiny.norm(), *bound, 1e-6 * *bound);
}

TEST_P(EveryGeometry, StrongConvexityIsALowerBoundOnItsBall) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Matrix<double> p = gaussian(4, 6, 200 + seed);
    const Matrix<double> q = gaussian(4, 6, 300 + seed);
    const double radius =
        std::max(linalg::spectral_norm<double>(p), linalg::spectral_norm<double>(q));
    EXPECT_GE(((gradient(p) - gradient(q)).array() * (p - q).array()).sum(),
              phi->strong_convexity(radius) * (p - q).squaredNorm() - 1e-13);
  }
}

TEST_P(EveryGeometry, InvariantOnesAreEquivariant) {
  if (!phi->info().orthogonally_invariant) {
    GTEST_SKIP() << GetParam().name << " is not orthogonally invariant";
  }
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> p = gaussian(m, n, 106);
    const Matrix<double> u = reference::orthonormal(m, m, 107);
    const Matrix<double> v = reference::orthonormal(n, n, 108);
    const Matrix<double> turned = u * p * v.transpose();
    EXPECT_NEAR(value(turned), value(p), 1e-12 * value(p));
    // Rounding of the turned input grows with the condition of p, here below 1e3.
    EXPECT_LE((gradient(turned) - u * gradient(p) * v.transpose()).norm(), 1e-10);
  }
}

TEST_P(EveryGeometry, TransposingCommutes) {
  const Matrix<double> p = gaussian(4, 7, 109);
  const Matrix<double> t = p.transpose();
  EXPECT_NEAR(value(t), value(p), 1e-13 * value(p));
  EXPECT_LE((gradient(t).transpose() - gradient(p)).norm(), 1e-13);
}

TEST_P(EveryGeometry, ValueGradientAndPairingAgreeWithTheirParts) {
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> p = gaussian(m, n, 110);
    Matrix<double> d = p;
    const auto all = phi->value_and_gradient(d, workspace);
    ASSERT_TRUE(all.outcome.ok());
    EXPECT_TRUE(d == gradient(p));
    EXPECT_NEAR(all.value, value(p), 1e-13 * all.value);
    EXPECT_NEAR(all.pairing, (p.array() * d.array()).sum(), 1e-12 * std::abs(all.pairing));
  }
}

TEST_P(EveryGeometry, ScaledValuesAreValuesOfScaledMatrices) {
  const Matrix<double> p = gaussian(5, 8, 114);
  const std::array<double, 4> scales{0.0, 1e-3, 1.0, 7.5};
  std::array<double, 4> values{};
  phi->scaled_values(p, scales, values, workspace);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    EXPECT_NEAR(values[j], value(scales[j] * p), 1e-13 * values[j]) << scales[j];
  }
}

TEST_P(EveryGeometry, FloatFollowsDouble) {
  const auto single = make_potential<float>(GetParam().name, Json::object());
  linalg::Workspace<float> scratch;
  const Matrix<float> p = gaussian(8, 12, 111).cast<float>();
  Matrix<float> d = p;
  const auto all = single->value_and_gradient(d, scratch);
  ASSERT_TRUE(all.outcome.ok());
  const Matrix<double> wide = p.cast<double>();
  EXPECT_LE((d.cast<double>() - gradient(wide)).norm(), 1e-6 * gradient(wide).norm());
  EXPECT_NEAR(all.value, value(wide), 1e-5 * all.value);
  EXPECT_NEAR(single->value(p, scratch), value(wide), 1e-5 * all.value);
  const auto conjugate = single->conjugate(d, scratch);
  // The gradient's norm may exceed 1 by a rounding of float; it still counts as inside.
  if (conjugate) {
    EXPECT_NEAR(all.value + *conjugate, all.pairing, 1e-5 * all.pairing);
  }
}

TEST_P(EveryGeometry, NotFiniteInputIsNamedAndLeftAlone) {
  Matrix<double> p = gaussian(4, 5, 112);
  p(1, 2) = std::numeric_limits<double>::quiet_NaN();
  Matrix<double> d = p;
  const Outcome outcome = phi->gradient(d, workspace);
  EXPECT_EQ(outcome.status, Status::non_finite_input);
  EXPECT_FALSE(outcome.changed);
  EXPECT_TRUE(d.row(0) == p.row(0));
  EXPECT_EQ(phi->value_and_gradient(d, workspace).outcome.status, Status::non_finite_input);
  EXPECT_TRUE(std::isnan(value(p)));
}

TEST_P(EveryGeometry, BoundedGradientsStayBounded) {
  if (!phi->info().bounded_gradient) GTEST_SKIP() << GetParam().name << " has no bound";
  const Matrix<double> d = gradient(1e10 * gaussian(5, 9, 113));
  // In the operator norm, or entry by entry where the geometry is not one of singular values.
  const double norm = phi->info().orthogonally_invariant ? linalg::spectral_norm<double>(d)
                                                         : linalg::max_abs<double>(d);
  EXPECT_LE(norm, 1 + 1e-13);
}

INSTANTIATE_TEST_SUITE_P(All, EveryGeometry, ::testing::ValuesIn(geometries().all()),
                         [](const auto& at) { return at.param.name; });

TEST(Geometries, EnrolledByName) {
  for (const char* name : {"frobenius", "nuclear", "sign", "smoothed_nuclear"}) {
    EXPECT_NE(geometries().find(name), nullptr) << name;
  }
}

TEST(Geometries, AWrongNameOrOptionIsAnsweredWithTheNearest) {
  try {
    (void)make_potential<double>("smoothed_nucleer", Json::object());
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("smoothed_nuclear"), std::string::npos);
  }
  try {
    (void)make_potential<double>("smoothed_nuclear", Json{{"epsilom", 0.1}});
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'epsilon'?"), std::string::npos);
  }
  EXPECT_THROW((void)make_potential<float>("smoothed_nuclear", Json{{"epsilon", 0}}), ConfigError);
}

}  // namespace
}  // namespace muonflow::geometry
