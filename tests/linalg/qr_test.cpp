#include "muonflow/linalg/qr.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class QrTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(QrTest, Scalars);

template <class T>
void expect_decomposition(const Matrix<T>& a, const Qr<T>& f) {
  const Index r = std::min(a.rows(), a.cols());
  ASSERT_TRUE(f.outcome.ok());
  ASSERT_EQ(f.q.rows(), a.rows());
  ASSERT_EQ(f.q.cols(), r);
  ASSERT_EQ(f.r.rows(), r);
  ASSERT_EQ(f.r.cols(), a.cols());
  // Householder's method: some max(m, n) roundoffs.
  const double unit = 4 * static_cast<double>(std::max<Index>(8, std::max(a.rows(), a.cols()))) *
                      static_cast<double>(std::numeric_limits<T>::epsilon());
  const Matrix<double> q = f.q.template cast<double>();
  const Matrix<double> upper = f.r.template cast<double>();
  const Matrix<double> original = a.template cast<double>();
  EXPECT_LE((q * upper - original).norm(), unit * original.norm());
  EXPECT_LE((q.transpose() * q - Matrix<double>::Identity(r, r)).norm(),
            unit * std::sqrt(static_cast<double>(r)));
  for (Index i = 0; i < r; ++i) {
    EXPECT_GE(f.r(i, i), 0);
    for (Index j = 0; j < i; ++j) EXPECT_EQ(f.r(i, j), 0);
  }
}

TYPED_TEST(QrTest, EveryShapeWithStrides) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 31).template cast<T>();
    reference::Strided<T> strided(a, 3);
    expect_decomposition<T>(a, qr<T>(strided.ref()));
  }
}

TYPED_TEST(QrTest, DeficientAndScaled) {
  using T = TypeParam;
  const Matrix<double> thin = reference::gaussian(20, 2, 1) * reference::gaussian(2, 12, 2);
  expect_decomposition<T>(thin.template cast<T>(), qr<T>(thin.template cast<T>()));
  expect_decomposition<T>(Matrix<T>::Zero(6, 4), qr<T>(Matrix<T>::Zero(6, 4)));
  for (const double scale : {1e-30, 1e30}) {
    const Matrix<T> a = (scale * reference::gaussian(12, 7, 3)).template cast<T>();
    expect_decomposition<T>(a, qr<T>(a));
  }
}

// With a positive diagonal the factors of a full-rank matrix are unique: scaling rows of R by -1
// and columns of Q alike is what the convention rules out.
TYPED_TEST(QrTest, RecoversAKnownTriangle) {
  using T = TypeParam;
  const Matrix<double> q = reference::orthonormal(15, 5, 32);
  Matrix<double> upper = Matrix<double>::Zero(5, 5);
  for (Index i = 0; i < 5; ++i) {
    upper(i, i) = static_cast<double>(i + 1);
    for (Index j = i + 1; j < 5; ++j) upper(i, j) = 0.3;
  }
  const Qr<T> f = qr<T>((q * upper).template cast<T>());
  const double tolerance = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());
  EXPECT_LE((f.r.template cast<double>() - upper).norm(), tolerance);
  EXPECT_LE((f.q.template cast<double>() - q).norm(), tolerance);
}

TYPED_TEST(QrTest, NotFiniteInputIsNamedAndSized) {
  using T = TypeParam;
  Matrix<T> a = reference::gaussian(6, 4, 33).template cast<T>();
  a(5, 3) = -std::numeric_limits<T>::infinity();
  const Qr<T> f = qr<T>(a);
  EXPECT_EQ(f.outcome.status, Status::non_finite_input);
  EXPECT_EQ(f.q.rows(), 6);
  EXPECT_EQ(f.r.cols(), 4);
  EXPECT_TRUE(f.q.isZero(0) && f.r.isZero(0));
}

TYPED_TEST(QrTest, OrthonormalizeGivesTheSameColumnsInPlace) {
  using T = TypeParam;
  Scratch scratch;
  for (const auto& [m, n] : reference::shapes()) {
    if (m < n) continue;
    const Matrix<T> a = reference::gaussian(m, n, 35).template cast<T>();
    reference::Strided<T> x(a, 3);
    ASSERT_TRUE(orthonormalize<T>(x.ref(), scratch).ok());
    EXPECT_TRUE(Matrix<T>(x.ref()) == qr<T>(a).q) << m << " x " << n;
  }
  Matrix<T> zero = Matrix<T>::Zero(6, 4);
  ASSERT_TRUE(orthonormalize<T>(zero, scratch).ok());
  EXPECT_TRUE((zero == Matrix<T>::Identity(6, 4)));
  Matrix<T> bad = Matrix<T>::Constant(3, 2, std::numeric_limits<T>::infinity());
  const Outcome outcome = orthonormalize<T>(bad, scratch);
  EXPECT_EQ(outcome.status, Status::non_finite_input);
  EXPECT_FALSE(outcome.changed);
  Matrix<T> wide(2, 3);
  EXPECT_THROW((void)orthonormalize<T>(wide, scratch), ShapeError);
}

TYPED_TEST(QrTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(200, 160, 34).template cast<T>();
  set_threads(1);
  const Qr<T> one = qr<T>(a);
  for (const int count : {2, 4}) {
    set_threads(count);
    const Qr<T> many = qr<T>(a);
    EXPECT_TRUE(many.q == one.q && many.r == one.r);
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg
