// Laws that every enrolled geometry keeps, selected by what it declares.
#include "muonflow/geometry/geometries.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>

#include "muonflow/core/error.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/geometry/potential.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {

// What GoogleTest calls a parameter in its lists.
static void PrintTo(const GeometryEntry& entry, std::ostream* out) { *out << entry.name; }

namespace {

using reference::gaussian;
using Shapes = std::vector<std::pair<Index, Index>>;

const Shapes kShapes{{1, 7}, {7, 1}, {4, 9}, {9, 4}, {6, 6}, {3, 40}};

class EveryGeometry : public ::testing::TestWithParam<GeometryEntry> {
 protected:
  std::unique_ptr<Potential<double>> phi = make_potential<double>(GetParam().name, Json::object());
  linalg::Workspace<double> workspace;

  double value(const Matrix<double>& p) { return phi->value(p, workspace); }
  // Kaon's map makes rounding errors a thousandfold larger.
  double rounding(double tolerance) const {
    return GetParam().name == "chaotic" ? 1200 * tolerance : tolerance;
  }
  Matrix<double> gradient(const Matrix<double>& p) {
    Matrix<double> d = p;
    EXPECT_TRUE(phi->gradient(d, workspace).ok());
    return d;
  }
};

// What a law of the value or of the gradient as one needs.
#define NEEDS_POTENTIAL() \
  if (!phi->info().has_potential) GTEST_SKIP() << GetParam().name << " has no potential"

TEST_P(EveryGeometry, DescribesItself) {
  EXPECT_EQ(phi->info().name, GetParam().name);
  EXPECT_FALSE(phi->info().equation.empty());
  EXPECT_FALSE(phi->info().cite.empty());
  EXPECT_EQ(phi->info().smooth, phi->hessian_bound().has_value());
}

TEST_P(EveryGeometry, IsZeroAtZeroAndZeroStaysZero) {
  Matrix<double> zero = Matrix<double>::Zero(3, 5);
  if (phi->info().has_potential) {
    EXPECT_EQ(value(zero), 0);
  } else {
    EXPECT_TRUE(std::isnan(value(zero)));
  }
  EXPECT_TRUE(gradient(zero).isZero(0));
}

TEST_P(EveryGeometry, GradientMatchesFiniteDifferences) {
  NEEDS_POTENTIAL();
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
    if (phi->info().has_potential) {
      EXPECT_NEAR(value(turned), value(p), 1e-12 * value(p));
    }
    // Rounding of the turned input grows with the condition of p, here below 1e3.
    EXPECT_LE((gradient(turned) - u * gradient(p) * v.transpose()).norm(), 1e-10);
  }
}

TEST_P(EveryGeometry, TransposingCommutes) {
  if (!phi->info().transpose_invariant) GTEST_SKIP() << GetParam().name << " tells rows apart";
  const Matrix<double> p = gaussian(4, 7, 109);
  const Matrix<double> t = p.transpose();
  if (phi->info().has_potential) {
    EXPECT_NEAR(value(t), value(p), 1e-13 * value(p));
  }
  EXPECT_LE((gradient(t).transpose() - gradient(p)).norm(), rounding(1e-13));
}

TEST_P(EveryGeometry, ValueGradientAndPairingAgreeWithTheirParts) {
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> p = gaussian(m, n, 110);
    Matrix<double> d = p;
    const auto all = phi->value_and_gradient(d, workspace);
    ASSERT_TRUE(all.outcome.ok());
    EXPECT_TRUE(d == gradient(p));
    if (phi->info().has_potential) {
      EXPECT_NEAR(all.value, value(p), 1e-13 * all.value);
    } else {
      EXPECT_EQ(all.value, 0);
    }
    EXPECT_NEAR(all.pairing, (p.array() * d.array()).sum(), 1e-12 * std::abs(all.pairing));
  }
}

TEST_P(EveryGeometry, ScaledValuesAreValuesOfScaledMatrices) {
  NEEDS_POTENTIAL();
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
  EXPECT_LE((d.cast<double>() - gradient(wide)).norm(), rounding(1e-6) * gradient(wide).norm());
  if (!phi->info().has_potential) return;
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

// A step W' = W - h grad Phi(M) minimizes <M, W'> plus what the conjugate charges for the move, and
// the least value is -h Phi(M).
TEST_P(EveryGeometry, AStepMinimizesItsModel) {
  const Matrix<double> p = gaussian(4, 6, 115);
  for (const double h : {0.02, 1.0, 3.0}) {
    const Matrix<double> move = h * gradient(p);
    const auto least = phi->step_model(p, move, h, workspace);
    if (!least) {
      EXPECT_TRUE(phi->info().step.empty());
      EXPECT_FALSE(phi->info().convex);
      continue;
    }
    EXPECT_FALSE(phi->info().step.empty());
    EXPECT_NEAR(*least, -h * value(p), 1e-12 * h * (1 + value(p)));
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const Matrix<double> other = 0.9 * move + 0.05 * h * gaussian(4, 6, 500 + seed);
      EXPECT_GE(*phi->step_model(p, other, h, workspace), *least - 1e-12 * h * (1 + value(p)));
    }
  }
}

// The laws above hold in single precision to its rounding.
TEST_P(EveryGeometry, TheLawsHoldInFloat) {
  const auto single = make_potential<float>(GetParam().name, Json::object());
  linalg::Workspace<float> scratch;
  const auto& info = single->info();
  const auto gradient_of = [&](const Matrix<float>& p) {
    Matrix<float> d = p;
    EXPECT_TRUE(single->gradient(d, scratch).ok());
    return d;
  };
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const Matrix<float> p = gaussian(4, 6, 600 + seed).cast<float>();
    const Matrix<float> q = gaussian(4, 6, 700 + seed).cast<float>();
    const Matrix<float> dp = gradient_of(p), dq = gradient_of(q);
    // Some tens of roundings of entries of order 1.
    const double tolerance = rounding(1e-5);
    if (info.has_potential) {
      const Matrix<float> direction = q / q.norm();
      constexpr float kStep = 1e-2F;
      const double slope = (single->value(p + kStep * direction, scratch) -
                            single->value(p - kStep * direction, scratch)) /
                           (2 * static_cast<double>(kStep));
      // Rounding of values of order 10 over the step, and its square times third derivatives.
      EXPECT_NEAR(slope, linalg::dot<float>(dp, direction), 5e-3);
    }
    if (const auto dual = single->conjugate(dp, scratch)) {
      const double pairing = linalg::dot<float>(p, dp);
      EXPECT_NEAR(single->value(p, scratch) + *dual, pairing, 1e-5 * (1 + pairing));
    }
    if (info.convex) {
      EXPECT_GE(((dp - dq).array() * (p - q).array()).sum(), -1e-5F);
    }
    if (const auto bound = single->hessian_bound()) {
      EXPECT_LE((dp - dq).norm(), (1 + 1e-5) * *bound * (p - q).norm() + 1e-5);
    }
    if (info.orthogonally_invariant) {
      const Matrix<float> u = reference::orthonormal(4, 4, 800).cast<float>();
      const Matrix<float> v = reference::orthonormal(6, 6, 801).cast<float>();
      const Matrix<float> turned = u * p * v.transpose();
      // The map's own condition, up to 1/s_min of a Gaussian 4x6 matrix.
      EXPECT_LE((gradient_of(turned) - u * dp * v.transpose()).norm(), 10 * tolerance);
    }
    if (info.bounded_gradient) {
      const Matrix<float> large = gradient_of(1e10F * p);
      EXPECT_LE(info.orthogonally_invariant ? linalg::spectral_norm<float>(large)
                                            : linalg::max_abs<float>(large),
                1 + 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryGeometry, ::testing::ValuesIn(geometries().all()),
                         [](const auto& at) { return at.param.name; });

TEST(Geometries, EnrolledByName) {
  for (const char* name :
       {"chaotic", "frobenius", "huber_nuclear", "nuclear", "relativistic", "row_norm", "schatten",
        "schatten_quasi", "sign", "smoothed_nuclear", "smoothed_sign"}) {
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
