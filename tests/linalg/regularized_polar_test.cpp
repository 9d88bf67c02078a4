#include "muonflow/linalg/regularized_polar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/norms.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
class RegularizedPolarTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RegularizedPolarTest, Scalars);

// What the header promises. By SVD: rounding to T, and the error of a decomposition in double times
// the map's own condition. By products: see the header.
template <class T>
double promised(double s_max, double epsilon, Index rows, Index cols, RegularizedKernel kernel) {
  const Index size = std::max(rows, cols);
  if (kernel == RegularizedKernel::automatic &&
      (sizeof(T) == sizeof(double) || std::min(rows, cols) > 32)) {
    const double law =
        static_cast<double>(std::numeric_limits<T>::epsilon()) * (32 + s_max / (4 * epsilon));
    // Where the law grows too large for float, the iteration is one in double.
    if (law < 1.6e-4) return law;
  }
  const double decomposition = 4 * static_cast<double>(std::max<Index>(8, size)) * 2.3e-16;
  return static_cast<double>(std::numeric_limits<T>::epsilon()) +
         decomposition * std::max(1.0, s_max / epsilon);
}

template <class T>
void expect_exact(const Matrix<T>& a, const reference::LongSvd& decomposed, double epsilon,
                  RegularizedKernel kernel) {
  Strided<T> x(a, 3);
  Workspace<T> workspace;
  ASSERT_TRUE(regularized_polar<T>(x.ref(), epsilon, workspace, kernel).ok());
  const Matrix<double> expected = reference::regularized_polar(decomposed, epsilon);
  const auto s_max = static_cast<double>(decomposed.s[0]);
  EXPECT_LE(reference::distance(x.values().template cast<double>(), expected),
            promised<T>(s_max, epsilon, a.rows(), a.cols(), kernel) * expected.norm())
      << a.rows() << "x" << a.cols() << " epsilon / s_max " << epsilon / s_max;
  EXPECT_TRUE(x.gaps_untouched());
}

constexpr std::array kKernels{RegularizedKernel::automatic, RegularizedKernel::reference};

TYPED_TEST(RegularizedPolarTest, ExactForEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 61).template cast<T>();
    const auto decomposed = reference::jacobi_svd(a.template cast<double>());
    for (const auto kernel : kKernels) {
      for (const double epsilon : {1e-2, 1.0, 100.0})
        expect_exact<T>(a, decomposed, epsilon, kernel);
    }
  }
}

TYPED_TEST(RegularizedPolarTest, ExactForEveryConditionAndEpsilon) {
  using T = TypeParam;
  const double worst = sizeof(T) == 4 ? 1e6 : 1e12;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 30}, {30, 12}, {16, 16}}) {
    for (const double condition : {1.0, 1e3, worst}) {
      const Matrix<T> a =
          reference::with_spectrum(m, n, reference::geometric(std::min(m, n), condition), 62)
              .template cast<T>();
      const auto decomposed = reference::jacobi_svd(a.template cast<double>());
      for (const auto kernel : kKernels) {
        for (const double epsilon : {1e-7, 1e-5, 0.9e-4, 1.1e-4, 1e-3, 1e-2, 1.0, 1e3, 1e12}) {
          expect_exact<T>(a, decomposed, epsilon, kernel);
        }
      }
    }
  }
}

// Orth_{c epsilon}(c P) = Orth_epsilon(P): exactly so for powers of two.
TYPED_TEST(RegularizedPolarTest, ScaleEquivariance) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(7, 12, 63).template cast<T>();
  Workspace<T> workspace;
  Matrix<T> plain = a;
  ASSERT_TRUE(regularized_polar<T>(plain, 0.5, workspace).ok());
  const bool single = sizeof(T) == 4;
  for (const int power : {-100, 100, single ? -110 : -900, single ? 110 : 900}) {
    Matrix<T> x = a.unaryExpr([&](T v) { return std::ldexp(v, power); });
    ASSERT_TRUE(regularized_polar<T>(x, std::ldexp(0.5, power), workspace).ok());
    EXPECT_LE((x - plain).norm(), 8 * std::numeric_limits<T>::epsilon() * plain.norm()) << power;
  }
}

TYPED_TEST(RegularizedPolarTest, ExtremeRatiosOfEpsilonToTheInput) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> a = reference::gaussian(6, 8, 64).template cast<T>();
  // epsilon far above: x / epsilon.
  for (const double epsilon : {1e20, 1e30}) {
    Matrix<T> x = a;
    ASSERT_TRUE(regularized_polar<T>(x, epsilon, workspace).ok());
    const Matrix<double> expected = a.template cast<double>() / epsilon;
    EXPECT_LE((x.template cast<double>() - expected).norm(),
              20 * static_cast<double>(std::numeric_limits<T>::epsilon()) * expected.norm());
  }
  // epsilon far below a full-rank input: the polar factor.
  for (const double epsilon : {0.0, 1e-300, 1e-30}) {
    Matrix<T> x = a;
    ASSERT_TRUE(regularized_polar<T>(x, epsilon, workspace).ok());
    const Matrix<double> expected = reference::polar(a.template cast<double>(), 0);
    EXPECT_LE((x.template cast<double>() - expected).norm(),
              400 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

TYPED_TEST(RegularizedPolarTest, RankDeficientInput) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : {std::pair<Index, Index>{10, 25}, {25, 10}, {14, 14}}) {
    // Small integers: exactly of rank 2 in every dtype.
    Matrix<T> a(m, n);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        a(i, j) = static_cast<T>((i % 3 - 1) * (j % 5 - 2) + (i % 2) * (j % 4));
      }
    }
    for (const double epsilon : {0.0, 1e-14, 1e-8, 1e-3, 1.0}) {
      Matrix<T> x = a;
      ASSERT_TRUE(regularized_polar<T>(x, epsilon, workspace).ok());
      const auto d = reference::jacobi_svd(a.template cast<double>());
      double expected = 0;
      for (int i = 0; i < 2; ++i) {
        const auto s = static_cast<double>(d.s[static_cast<std::size_t>(i)]);
        expected += s * s / (s * s + epsilon * epsilon);
      }
      // Directions outside the two hold the decomposition's error over epsilon, at most.
      const double noise = epsilon > 0 ? std::min(1.0, 1e-14 / epsilon) : 0.0;
      EXPECT_NEAR(static_cast<double>(x.squaredNorm()), expected, 1e-6 + 1e-6 * noise)
          << m << "x" << n << " epsilon " << epsilon;
    }
  }
}

TYPED_TEST(RegularizedPolarTest, ZeroGivesZeroAndBadInputIsNamed) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto kernel : kKernels) {
    for (const double epsilon : {0.0, 1e-2}) {
      Matrix<T> x = Matrix<T>::Zero(4, 6);
      EXPECT_TRUE(regularized_polar<T>(x, epsilon, workspace, kernel).ok());
      EXPECT_TRUE(x.isZero(0));
    }
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      Matrix<T> x = reference::gaussian(4, 6, 65).template cast<T>();
      x(3, 5) = bad;
      const Matrix<T> before = x;
      const Outcome outcome = regularized_polar<T>(x, 1e-2, workspace, kernel);
      EXPECT_EQ(outcome.status, Status::non_finite_input);
      EXPECT_FALSE(outcome.changed);
      EXPECT_TRUE(x.topRows(3) == before.topRows(3));
    }
  }
  Matrix<T> x = Matrix<T>::Identity(2, 2);
  EXPECT_THROW((void)regularized_polar<T>(x, -1, workspace), ConfigError);
  EXPECT_THROW((void)regularized_polar<T>(x, std::nan(""), workspace), ConfigError);
  Matrix<T> none(3, 0);
  EXPECT_TRUE(regularized_polar<T>(none, 1e-2, workspace).ok());
}

TYPED_TEST(RegularizedPolarTest, PotentialAndPairingOfTheSameDecomposition) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> a =
      reference::with_spectrum(8, 13, reference::geometric(8, 1e3), 66).template cast<T>();
  for (const double epsilon : {1e-6, 1e-2, 1.0}) {
    long double potential = 0, pairing = 0;
    for (const long double s : reference::jacobi_svd(a.template cast<double>()).s) {
      const long double root = std::hypot(s, static_cast<long double>(epsilon));
      potential += root - epsilon;
      pairing += s * s / root;
    }
    for (const auto kernel : kKernels) {
      Matrix<T> x = a;
      const auto result = regularized_polar_with_potential<T>(x, epsilon, workspace, kernel);
      ASSERT_TRUE(result.outcome.ok());
      // Sums of eight values known to a few roundoffs of double times s_max; by products they carry
      // the result's error, 2e-15 (32 + s_max / (10 epsilon)) of double, as float to its rounding.
      const bool products = kernel == RegularizedKernel::automatic;
      const double tolerance = products && sizeof(T) == 4 ? 1e-7 : 1e-11;
      EXPECT_NEAR(result.potential, static_cast<double>(potential), tolerance);
      EXPECT_NEAR(result.pairing, static_cast<double>(pairing), tolerance);
      Matrix<T> alone = a;
      ASSERT_TRUE(regularized_polar<T>(alone, epsilon, workspace, kernel).ok());
      EXPECT_TRUE(alone == x);
    }
  }
}

TEST(SmoothedValue, NothingCancelsAndNothingOverflows) {
  EXPECT_EQ(smoothed_value(0, 1), 0);
  EXPECT_EQ(smoothed_value(0, 0), 0);
  EXPECT_DOUBLE_EQ(smoothed_value(3, 4), 1);
  EXPECT_DOUBLE_EQ(smoothed_value(2, 0), 2);
  EXPECT_DOUBLE_EQ(smoothed_value(1e-10, 1), 5e-21);  // s^2 / (2 epsilon)
  EXPECT_DOUBLE_EQ(smoothed_value(1e200, 1e-200), 1e200);
  EXPECT_DOUBLE_EQ(smoothed_value(3e-200, 4e-200), 1e-200);
}

TYPED_TEST(RegularizedPolarTest, ByAugmentationWithAnyMethod) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : {std::pair<Index, Index>{6, 11}, {11, 6}}) {
    const Matrix<T> a = reference::gaussian(m, n, 67).template cast<T>();
    Matrix<T> exact = a;
    ASSERT_TRUE(regularized_polar<T>(exact, 0.3, workspace).ok());
    for (const auto method : {PolarMethod::classic, PolarMethod::polar_express, PolarMethod::svd}) {
      Matrix<T> x = a;
      // Augmented singular values are at least 0.3 of about 10: twelve steps converge.
      ASSERT_TRUE(
          regularized_polar_by<T>(x, 0.3, {.method = method, .ns_steps = 12, .eps = 0}, workspace)
              .ok());
      EXPECT_LE((x - exact).norm(), 2000 * std::numeric_limits<T>::epsilon());
    }
  }
}

TYPED_TEST(RegularizedPolarTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{4, 8}, {100, 300}, {300, 70}}) {
    const Matrix<T> a = reference::gaussian(m, n, 68).template cast<T>();
    for (const double epsilon : {1e-9, 1e-1}) {
      Workspace<T> workspace;
      set_threads(1);
      Matrix<T> one = a;
      ASSERT_TRUE(regularized_polar<T>(one, epsilon, workspace).ok());
      for (const int count : {2, 4}) {
        set_threads(count);
        Matrix<T> many = a;
        ASSERT_TRUE(regularized_polar<T>(many, epsilon, workspace).ok());
        EXPECT_TRUE(many == one);
      }
      set_threads(0);
    }
  }
}

}  // namespace
}  // namespace muonflow::linalg
