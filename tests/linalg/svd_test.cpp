#include "muonflow/linalg/svd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
class SvdTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SvdTest, Scalars);

// Backward error and orthogonality of LAPACK's SVD: some max(m, n) roundoffs.
template <class T>
double unit(Index m, Index n) {
  return 4 * static_cast<double>(std::max<Index>(8, std::max(m, n))) *
         static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
void expect_decomposition(const Matrix<T>& a, const Svd<T>& f) {
  const Index r = std::min(a.rows(), a.cols());
  ASSERT_TRUE(f.outcome.ok());
  ASSERT_EQ(f.u.rows(), a.rows());
  ASSERT_EQ(f.u.cols(), r);
  ASSERT_EQ(f.s.size(), r);
  ASSERT_EQ(f.vt.rows(), r);
  ASSERT_EQ(f.vt.cols(), a.cols());
  const Matrix<double> u = f.u.template cast<double>();
  const Matrix<double> vt = f.vt.template cast<double>();
  // Scaled by the largest entry, so that the check itself neither overflows nor underflows.
  const double scale = a.size() == 0 ? 0 : static_cast<double>(a.cwiseAbs().maxCoeff());
  const double by = scale > 0 ? scale : 1;
  const Matrix<double> rebuilt = u * (f.s.template cast<double>() / by).asDiagonal() * vt;
  const Matrix<double> original = a.template cast<double>() / by;
  const double tolerance = unit<T>(a.rows(), a.cols());
  EXPECT_LE((rebuilt - original).norm(), tolerance * std::max(original.norm(), 1e-300));
  EXPECT_LE((u.transpose() * u - Matrix<double>::Identity(r, r)).norm(), tolerance * std::sqrt(r));
  EXPECT_LE((vt * vt.transpose() - Matrix<double>::Identity(r, r)).norm(),
            tolerance * std::sqrt(r));
  for (Index i = 0; i < r; ++i) {
    EXPECT_GE(f.s[i], 0);
    if (i > 0) {
      EXPECT_LE(f.s[i], f.s[i - 1]);
    }
  }
}

TYPED_TEST(SvdTest, EveryShapeWithStrides) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 11).template cast<T>();
    Strided<T> strided(a, 5);
    expect_decomposition<T>(a, svd<T>(strided.ref()));
    EXPECT_TRUE(strided.values() == a);
  }
}

TYPED_TEST(SvdTest, ValuesAgreeWithJacobi) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 20}, {20, 12}, {16, 16}}) {
    const double condition = sizeof(T) == 4 ? 1e6 : 1e12;
    const Matrix<T> a =
        reference::with_spectrum(m, n, reference::geometric(std::min(m, n), condition), 12)
            .template cast<T>();
    const auto expected = reference::jacobi_svd(a.template cast<double>());
    const Vector<T> s = singular_values<T>(a);
    const Svd<T> f = svd<T>(a);
    for (Index i = 0; i < s.size(); ++i) {
      const auto exact = static_cast<double>(expected.s[static_cast<std::size_t>(i)]);
      EXPECT_NEAR(static_cast<double>(s[i]), exact, unit<T>(m, n));
      EXPECT_NEAR(static_cast<double>(f.s[i]), exact, unit<T>(m, n));
    }
  }
}

TYPED_TEST(SvdTest, RankOneRankDeficientAndZero) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{10, 30}, {30, 10}, {15, 15}}) {
    const Matrix<T> rank_one =
        (reference::gaussian(m, 1, 1) * reference::gaussian(1, n, 2)).template cast<T>();
    const Matrix<T> rank_three =
        (reference::gaussian(m, 3, 1) * reference::gaussian(3, n, 2)).template cast<T>();
    for (const Matrix<T>& a : {rank_one, rank_three, Matrix<T>(Matrix<T>::Zero(m, n))}) {
      expect_decomposition<T>(a, svd<T>(a));
    }
  }
}

TYPED_TEST(SvdTest, TinyAndHugeEntries) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(9, 14, 13).template cast<T>();
  const Svd<T> plain = svd<T>(a);
  const bool single = sizeof(T) == 4;
  for (const int power : {-100, 100, single ? -110 : -900, single ? 120 : 1000}) {
    const Matrix<T> scaled = a.unaryExpr([&](T x) { return std::ldexp(x, power); });
    const Svd<T> f = svd<T>(scaled);
    // A power of two changes no rounding, so everything but the scale is the same, bit for bit.
    EXPECT_TRUE(f.outcome.ok());
    EXPECT_TRUE(f.u == plain.u) << power;
    EXPECT_TRUE(f.s == plain.s.unaryExpr([&](T x) { return std::ldexp(x, power); })) << power;
  }
  // Denormal entries lose digits when they are made, not later.
  const Matrix<T> denormal = Matrix<T>::Constant(3, 4, 8 * std::numeric_limits<T>::denorm_min());
  EXPECT_NEAR(static_cast<double>(svd<T>(denormal).s[0] / std::numeric_limits<T>::denorm_min()),
              8 * std::sqrt(12.0), 1.0);
}

TYPED_TEST(SvdTest, NotFiniteInputIsNamedAndSized) {
  using T = TypeParam;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    Matrix<T> a = reference::gaussian(6, 4, 14).template cast<T>();
    a(3, 2) = bad;
    const Svd<T> f = svd<T>(a);
    EXPECT_EQ(f.outcome.status, Status::non_finite_input);
    EXPECT_EQ(f.u.rows(), 6);
    EXPECT_EQ(f.u.cols(), 4);
    EXPECT_EQ(f.vt.cols(), 4);
    EXPECT_TRUE(f.u.isZero(0) && f.vt.isZero(0) && f.s.isZero(0));
    EXPECT_TRUE(singular_values<T>(a).array().isNaN().all());
  }
}

TYPED_TEST(SvdTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(150, 170, 15).template cast<T>();
  set_threads(1);
  const Svd<T> one = svd<T>(a);
  for (const int count : {2, 4}) {
    set_threads(count);
    const Svd<T> many = svd<T>(a);
    EXPECT_TRUE(many.u == one.u && many.s == one.s && many.vt == one.vt);
  }
  set_threads(0);
}

TYPED_TEST(SvdTest, Empty) {
  using T = TypeParam;
  const Svd<T> f = svd<T>(Matrix<T>(0, 3));
  EXPECT_TRUE(f.outcome.ok());
  EXPECT_EQ(f.s.size(), 0);
  EXPECT_EQ(f.vt.cols(), 3);
}

}  // namespace
}  // namespace muonflow::linalg
