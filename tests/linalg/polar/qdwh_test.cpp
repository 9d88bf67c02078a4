#include "muonflow/linalg/polar/qdwh.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/norms.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class QdwhTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(QdwhTest, Scalars);

// The steps that the scalar iteration takes from the reported bound, and no more: at most 5 and a
// closing one by products, since a gap of sqrt(u) / 2 is left to that.
TYPED_TEST(QdwhTest, TakesTheStepsThatItsCoefficientsForetell) {
  using T = TypeParam;
  const double closing = std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon()) / 2) / 2;
  for (const double condition : {1.0, 1e1, 1e3, 1e5, 1e6, 1e12}) {
    if (sizeof(T) == sizeof(float) && condition > 1e6) continue;
    Matrix<T> x = reference::with_spectrum(24, 24, reference::geometric(24, condition), 91)
                      .template cast<T>();
    RationalPolarReport report;
    Workspace<T> workspace;
    ASSERT_TRUE(qdwh<T>(x, {}, workspace, &report).ok());
    std::int64_t qr = 0;
    std::int64_t cholesky = 0;
    double l = report.lower;
    while (1 - l > closing) {
      const QdwhCoefficients f = qdwh_coefficients(l);
      ++(f.c > 100 ? qr : cholesky);
      l = std::min(1.0, f(l));
    }
    EXPECT_EQ(report.qr, qr) << condition;
    EXPECT_EQ(report.cholesky, cholesky) << condition;
    EXPECT_EQ(report.steps, qr + cholesky);
    EXPECT_EQ(report.terms, 1);
    EXPECT_LE(report.steps, 5);
    EXPECT_LE(report.products, 1);
  }
}

// A known bound needs no slack: four steps for 1e-3, as the table of coefficients says.
TEST(QdwhStepsTest, FourForAConditionOfAThousand) {
  Matrix<double> x = Matrix<double>::Zero(6, 6);
  x.diagonal() << 1, 0.5, 0.1, 0.01, 0.002, 0.001;
  RationalPolarReport report;
  Workspace<double> workspace;
  ASSERT_TRUE(qdwh<double>(x, {.lower = 1e-3}, workspace, &report).ok());
  EXPECT_EQ(report.qr + report.cholesky, 4);
  EXPECT_LE((x - Matrix<double>::Identity(6, 6)).norm(),
            32 * std::numeric_limits<double>::epsilon());
}

TYPED_TEST(QdwhTest, HermitianFactorIsSymmetricPositiveAndItsTraceTheNuclearNorm) {
  using T = TypeParam;
  const auto u = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 1}, {1, 9}, {20, 20}, {33, 21}, {15, 40}}) {
    const Index r = std::min(m, n);
    const Matrix<T> a =
        reference::with_spectrum(m, n, reference::geometric(r, 1e4), 92).template cast<T>();
    Matrix<T> x = a;
    reference::Strided<T> h(Matrix<T>(r, r), 2);
    Workspace<T> workspace;
    ASSERT_TRUE((polar_with_hermitian<T>(x, h.ref(), {}, workspace).ok()));
    EXPECT_TRUE(h.gaps_untouched());
    const Matrix<T> values = h.values();
    EXPECT_TRUE(values == Matrix<T>(values.transpose()));
    const Matrix<double> factor = x.template cast<double>();
    const Matrix<double> hermitian = values.template cast<double>();
    const Matrix<double> again =
        m >= n ? reference::product(factor, hermitian) : reference::product(hermitian, factor);
    const Matrix<double> input = a.template cast<double>();
    EXPECT_LE((again - input).norm(), 8 * std::sqrt(static_cast<double>(r) + 8) * u * input.norm());
    double nuclear = 0;
    for (const long double s : reference::jacobi_svd(input).s) nuclear += static_cast<double>(s);
    EXPECT_NEAR(hermitian.trace(), nuclear, 16 * static_cast<double>(r) * u * nuclear);
    // Its eigenvalues are the singular values: none is under 0 by more than the backward error.
    const auto eigen = reference::jacobi_svd(
        Matrix<double>(hermitian + Matrix<double>::Identity(r, r) * hermitian.norm()));
    EXPECT_GE(static_cast<double>(eigen.s.back()),
              hermitian.norm() * (1 - 8 * std::sqrt(static_cast<double>(r) + 8) * u));
  }
}

TYPED_TEST(QdwhTest, HermitianFactorIsLeftAloneWhereTheInputIsNotFinite) {
  using T = TypeParam;
  Matrix<T> x = Matrix<T>::Identity(3, 5);
  Matrix<T> h = Matrix<T>::Constant(3, 3, T(7));
  Workspace<T> workspace;
  x(1, 1) = std::numeric_limits<T>::quiet_NaN();
  EXPECT_EQ((polar_with_hermitian<T>(x, h, {}, workspace).status), Status::non_finite_input);
  EXPECT_TRUE(h == Matrix<T>(Matrix<T>::Constant(3, 3, T(7))));
  Matrix<T> wrong(5, 5);
  EXPECT_THROW((void)(polar_with_hermitian<T>(x, wrong, {}, workspace)), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
