#include "muonflow/linalg/eigh.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class EighTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EighTest, Scalars);

template <class T>
Matrix<T> symmetric(Index n, std::uint64_t seed) {
  const Matrix<double> a = reference::gaussian(n, n, seed);
  return (a + a.transpose()).template cast<T>();
}

template <class T>
void expect_decomposition(const Matrix<T>& a, const Eigh<T>& e) {
  ASSERT_TRUE(e.outcome.ok());
  const Index n = a.rows();
  const Matrix<double> v = e.vectors.template cast<double>();
  const double scale = static_cast<double>(a.cwiseAbs().maxCoeff());
  const double by = scale > 0 ? scale : 1;
  const Matrix<double> rebuilt =
      v * (e.values.template cast<double>() / by).asDiagonal() * v.transpose();
  const Matrix<double> original = a.template cast<double>() / by;
  // Backward stable: some n roundoffs.
  const double unit = 4 * static_cast<double>(std::max<Index>(n, 8)) *
                      static_cast<double>(std::numeric_limits<T>::epsilon());
  EXPECT_LE((rebuilt - original).norm(), unit * original.norm());
  EXPECT_LE((v.transpose() * v - Matrix<double>::Identity(n, n)).norm(),
            unit * std::sqrt(static_cast<double>(n)));
  for (Index i = 1; i < n; ++i) EXPECT_LE(e.values[i - 1], e.values[i]);
}

TYPED_TEST(EighTest, DecomposesEverySize) {
  using T = TypeParam;
  for (const Index n : {1, 2, 3, 8, 17, 64, 130}) {
    const Matrix<T> a = symmetric<T>(n, 21);
    expect_decomposition<T>(a, eigh<T>(a));
  }
  expect_decomposition<T>(Matrix<T>::Zero(5, 5), eigh<T>(Matrix<T>::Zero(5, 5)));
  expect_decomposition<T>(Matrix<T>::Identity(9, 9), eigh<T>(Matrix<T>::Identity(9, 9)));
}

TYPED_TEST(EighTest, ReadsTheLowerTriangleOnly) {
  using T = TypeParam;
  const Matrix<T> a = symmetric<T>(12, 22);
  Matrix<T> lower = a;
  for (Index i = 0; i < 12; ++i) {
    for (Index j = i + 1; j < 12; ++j) lower(i, j) = std::numeric_limits<T>::quiet_NaN();
  }
  reference::Strided<T> strided(lower, 3);
  EXPECT_TRUE(eigh<T>(strided.ref()).values == eigh<T>(a).values);
}

TYPED_TEST(EighTest, TinyAndHugeEntries) {
  using T = TypeParam;
  const Matrix<T> a = symmetric<T>(10, 23);
  const Eigh<T> plain = eigh<T>(a);
  const bool single = sizeof(T) == 4;
  for (const int power : {-100, 100, single ? -110 : -900, single ? 120 : 1000}) {
    const Matrix<T> scaled = a.unaryExpr([&](T x) { return std::ldexp(x, power); });
    const Eigh<T> e = eigh<T>(scaled);
    // A power of two changes no rounding.
    EXPECT_TRUE(e.vectors == plain.vectors) << power;
    EXPECT_TRUE(e.values == plain.values.unaryExpr([&](T x) { return std::ldexp(x, power); }));
  }
}

TYPED_TEST(EighTest, NotFiniteInputIsNamedAndSized) {
  using T = TypeParam;
  Matrix<T> a = symmetric<T>(5, 24);
  a(4, 1) = std::numeric_limits<T>::quiet_NaN();
  const Eigh<T> e = eigh<T>(a);
  EXPECT_EQ(e.outcome.status, Status::non_finite_input);
  EXPECT_EQ(e.values.size(), 5);
  EXPECT_TRUE(e.vectors.isZero(0));
  EXPECT_EQ(e.vectors.cols(), 5);
}

TYPED_TEST(EighTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = symmetric<T>(200, 25);
  set_threads(1);
  const Eigh<T> one = eigh<T>(a);
  for (const int count : {2, 4}) {
    set_threads(count);
    const Eigh<T> many = eigh<T>(a);
    EXPECT_TRUE(many.vectors == one.vectors && many.values == one.values);
  }
  set_threads(0);
}

TYPED_TEST(EighTest, RefusesRectangles) {
  using T = TypeParam;
  EXPECT_THROW(eigh<T>(Matrix<T>::Zero(2, 3)), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
