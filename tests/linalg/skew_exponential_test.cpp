#include "muonflow/linalg/skew_exponential.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class SkewExponentialTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SkewExponentialTest, Scalars);

constexpr std::array<SkewMap, 3> kMaps{SkewMap::taylor2, SkewMap::cayley, SkewMap::exp};

// A skew matrix with given angles: Q blockdiag([0, -a; a, 0]) Q^T, and a function of it, which
// turns the plane of each angle and multiplies it by what `turn` says.
Matrix<double> planes(const std::vector<double>& angles, Index n, std::uint64_t seed,
                      const std::function<std::pair<double, double>(double)>& turn) {
  const Matrix<double> q = reference::orthonormal(n, n, seed);
  Matrix<double> blocks = Matrix<double>::Zero(n, n);
  for (Index i = 0; i < n; ++i) blocks(i, i) = turn(0).first;
  for (std::size_t k = 0; k < angles.size(); ++k) {
    const Index i = 2 * static_cast<Index>(k);
    const auto [real, imaginary] = turn(angles[k]);
    blocks(i, i) = blocks(i + 1, i + 1) = real;
    blocks(i + 1, i) = imaginary;
    blocks(i, i + 1) = -imaginary;
  }
  return q * blocks * q.transpose();
}

std::pair<double, double> value(SkewMap map, double a) {
  if (map == SkewMap::taylor2) return {1 - a * a / 2, a};
  if (map == SkewMap::exp) return {std::cos(a), std::sin(a)};
  const double d = 1 + a * a / 4;
  return {(1 - a * a / 4) / d, a / d};
}

std::vector<double> some_angles(Index n, double largest) {
  std::vector<double> angles;
  for (Index k = 0; k < n / 2; ++k) {
    angles.push_back(largest * static_cast<double>(n / 2 - k) / static_cast<double>(n / 2));
  }
  return angles;
}

template <class T>
double orthogonality_error(const Matrix<T>& x) {
  const Matrix<double> wide = x.template cast<double>();
  return (wide.transpose() * wide - Matrix<double>::Identity(x.rows(), x.cols())).norm();
}

TYPED_TEST(SkewExponentialTest, TurnsEachPlaneByItsAngle) {
  using T = TypeParam;
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  Workspace<T> workspace;
  for (const Index n : {1, 2, 5, 16, 33, 70}) {
    // Through every degree of the approximants, and beyond them by squarings.
    for (const double largest : {1e-3, 0.02, 0.2, 0.8, 2.0, 6.0, 40.0}) {
      const auto angles = some_angles(n, largest);
      const Matrix<T> x = planes(angles, n, 5, [](double a) {
                            return std::pair{0.0, a};
                          }).template cast<T>();
      for (const SkewMap map : kMaps) {
        const Matrix<double> expected =
            planes(angles, n, 5, [&](double a) { return value(map, a); });
        reference::Strided<T> strided(x, 3);
        ASSERT_TRUE(skew_exponential<T>(strided.ref(), map, workspace).ok());
        EXPECT_TRUE(strided.gaps_untouched());
        // n eps for the rounding of x, as much for the products; an angle of 40 has lost a factor
        // of itself; taylor2 grows as its largest value.
        const double scale = std::max(1.0, largest) * std::max(1.0, expected.norm());
        EXPECT_LE((strided.values().template cast<double>() - expected).norm(),
                  8 * static_cast<double>(n) * eps * scale)
            << n << " " << largest << " " << enum_name(map);
      }
    }
  }
}

TYPED_TEST(SkewExponentialTest, ExpAndCayleyAreOrthogonalWhateverTheAngle) {
  using T = TypeParam;
  Workspace<T> workspace;
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const double scale : {1e-6, 1e-2, 1.0, 30.0, 1e5}) {
    for (const Index n : {3, 24, 64}) {
      const Matrix<double> g = scale * reference::gaussian(n, n, 3);
      for (const SkewMap map : {SkewMap::cayley, SkewMap::exp}) {
        Matrix<T> x = (g - g.transpose()).template cast<T>();
        const double norm = static_cast<double>(x.norm());
        ASSERT_TRUE(skew_exponential<T>(x, map, workspace).ok());
        // exp: roundings of size eps in n^2 entries. cayley solves with a matrix of condition up to
        // |x| / 2.
        const double c = map == SkewMap::exp ? 4 : 4 * std::max(1.0, norm / 2);
        EXPECT_LE(orthogonality_error<T>(x), c * static_cast<double>(n) * eps)
            << n << " " << scale << " " << enum_name(map);
      }
    }
  }
}

// exp(X) exp(-X) = I, and the inverse is the transpose.
TYPED_TEST(SkewExponentialTest, TheOppositeIsTheTranspose) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<double> g = 0.1 * reference::gaussian(20, 20, 4);
  const Matrix<T> x = (g - g.transpose()).template cast<T>();
  for (const SkewMap map : kMaps) {
    Matrix<T> there = x;
    Matrix<T> back = -x;
    ASSERT_TRUE(skew_exponential<T>(there, map, workspace).ok());
    ASSERT_TRUE(skew_exponential<T>(back, map, workspace).ok());
    EXPECT_LE(static_cast<double>((back - there.transpose()).norm()),
              4 * 20 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

TYPED_TEST(SkewExponentialTest, ZeroGivesTheIdentityAndTheUpperTriangleIsNotRead) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const SkewMap map : kMaps) {
    Matrix<T> x = Matrix<T>::Zero(7, 7);
    x.template triangularView<Eigen::Upper>().setConstant(std::numeric_limits<T>::quiet_NaN());
    ASSERT_TRUE(skew_exponential<T>(x, map, workspace).ok());
    EXPECT_TRUE(x == (Matrix<T>::Identity(7, 7)));
    Matrix<T> none(0, 0);
    EXPECT_TRUE(skew_exponential<T>(none, map, workspace).ok());
  }
}

TYPED_TEST(SkewExponentialTest, NotFiniteAndNotSquareAreNamed) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const SkewMap map : kMaps) {
    Matrix<T> x = Matrix<T>::Zero(5, 5);
    x(3, 1) = std::numeric_limits<T>::infinity();
    const Matrix<T> before = x;
    const Outcome outcome = skew_exponential<T>(x, map, workspace);
    EXPECT_EQ(outcome.status, Status::non_finite_input);
    EXPECT_FALSE(outcome.changed);
    EXPECT_TRUE(x == before);
    Matrix<T> wide(3, 4);
    EXPECT_THROW((void)skew_exponential<T>(wide, map, workspace), ShapeError);
  }
  Matrix<T> huge = Matrix<T>::Zero(2, 2);
  huge(1, 0) = std::numeric_limits<T>::max();
  const Matrix<T> before = huge;
  EXPECT_EQ(skew_exponential<T>(huge, SkewMap::taylor2, workspace).status,
            Status::non_finite_result);
  EXPECT_TRUE(huge == before);
}

// Formed or not, thin or not, on both sides.
TYPED_TEST(SkewExponentialTest, TurnsAMatrixOnEitherSide) {
  using T = TypeParam;
  Workspace<T> workspace;
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const auto& [m, n] : {std::pair<Index, Index>{3, 20}, {20, 3}, {9, 12}, {1, 5}}) {
    for (const Side side : {Side::left, Side::right}) {
      const Index k = side == Side::left ? m : n;
      const Matrix<double> g = 0.1 * reference::gaussian(k, k, 6);
      const Matrix<T> skew = (g - g.transpose()).template cast<T>();
      const Matrix<T> x = reference::gaussian(m, n, 7).template cast<T>();
      for (const SkewMap map : kMaps) {
        Matrix<T> e = skew;
        ASSERT_TRUE(skew_exponential<T>(e, map, workspace).ok());
        const Matrix<T> expected = side == Side::left ? Matrix<T>(e * x) : Matrix<T>(x * e);
        Matrix<T> spent = skew;
        reference::Strided<T> turned(x, 2);
        ASSERT_TRUE(turn<T>(side, map, spent, turned.ref(), workspace).ok());
        EXPECT_TRUE(turned.gaps_untouched());
        EXPECT_LE(static_cast<double>((turned.values() - expected).norm()),
                  8 * static_cast<double>(k) * eps * static_cast<double>(expected.norm()));
      }
      Matrix<T> bad = skew;
      bad(k - 1, 0) = std::numeric_limits<T>::quiet_NaN();
      Matrix<T> kept = x;
      if (k > 1) {
        EXPECT_EQ(turn<T>(side, SkewMap::taylor2, bad, kept, workspace).status,
                  Status::non_finite_input);
      }
      EXPECT_TRUE(kept == x);
    }
  }
}

TYPED_TEST(SkewExponentialTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<double> g = 0.05 * reference::gaussian(150, 150, 9);
  for (const SkewMap map : kMaps) {
    Matrix<T> first;
    for (const int count : {1, 2, 4}) {
      set_threads(count);
      Workspace<T> workspace;
      Matrix<T> x = (g - g.transpose()).template cast<T>();
      ASSERT_TRUE(skew_exponential<T>(x, map, workspace).ok());
      if (count == 1) first = x;
      EXPECT_TRUE(x == first);
    }
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg
