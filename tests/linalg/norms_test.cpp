#include "muonflow/linalg/norms.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::gaussian;
using reference::Strided;

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class T>
class Norms : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Norms, Scalars);

TYPED_TEST(Norms, AgreeWithLongDoubleForEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    Strided<T> a(gaussian(m, n, 1).template cast<T>(), 3);
    Strided<T> b(gaussian(m, n, 2).template cast<T>(), 1);
    long double squares = 0, products = 0, absolute = 0, sizes = 0;
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        const long double x = a.ref()(i, j);
        const long double y = b.ref()(i, j);
        squares += x * x;
        products += x * y;
        absolute += std::abs(x);
        sizes += std::abs(x * y);
      }
    }
    // Double sums of m n terms; products of two doubles round once more.
    const double unit = static_cast<double>(m * n + 2) * 2.3e-16;
    EXPECT_NEAR(frobenius_norm<T>(a.ref()), static_cast<double>(std::sqrt(squares)),
                unit * static_cast<double>(std::sqrt(squares)));
    EXPECT_NEAR(dot<T>(a.ref(), b.ref()), static_cast<double>(products),
                unit * static_cast<double>(sizes));
    EXPECT_NEAR(absolute_sum<T>(a.ref()), static_cast<double>(absolute),
                unit * static_cast<double>(absolute));
    EXPECT_EQ(max_abs<T>(a.ref()), static_cast<double>(a.values().cwiseAbs().maxCoeff()));
    EXPECT_TRUE(all_finite<T>(a.ref()));
  }
}

// Powers of two scale the norm exactly, whatever the size.
TYPED_TEST(Norms, NoOverflowAndNoUnderflow) {
  using T = TypeParam;
  const bool single = sizeof(T) == 4;
  const Matrix<T> a = gaussian(9, 13, 3).template cast<T>();
  const double norm = frobenius_norm<T>(a);
  for (const int power : {-100, 100, single ? -110 : -700, single ? 110 : 700, single ? 0 : -990,
                          single ? 0 : 1000}) {
    const Matrix<T> scaled = a.unaryExpr([&](T x) { return std::ldexp(x, power); });
    EXPECT_NEAR(frobenius_norm<T>(scaled) / std::ldexp(1.0, power), norm, 1e-14 * norm) << power;
  }
  const T denormal = std::numeric_limits<T>::denorm_min();
  EXPECT_EQ(frobenius_norm<T>(Matrix<T>::Constant(2, 2, denormal)),
            2 * static_cast<double>(denormal));
}

TYPED_TEST(Norms, ZeroAndEmpty) {
  using T = TypeParam;
  EXPECT_EQ(frobenius_norm<T>(Matrix<T>::Zero(4, 5)), 0);
  EXPECT_EQ(frobenius_norm<T>(Matrix<T>(0, 5)), 0);
  EXPECT_EQ(nuclear_norm<T>(Matrix<T>::Zero(4, 5)), 0);
  EXPECT_EQ(spectral_norm<T>(Matrix<T>(5, 0)), 0);
  EXPECT_EQ(max_abs<T>(Matrix<T>(0, 0)), 0);
  EXPECT_TRUE(all_finite<T>(Matrix<T>(0, 0)));
}

TYPED_TEST(Norms, NotFiniteEntriesAreSeenAnywhere) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                        -std::numeric_limits<T>::infinity()}) {
      for (const Index at : {Index{0}, m * n / 2, m * n - 1}) {
        Matrix<T> a = gaussian(m, n, 4).template cast<T>();
        a(at / n, at % n) = bad;
        EXPECT_FALSE(all_finite<T>(a));
        EXPECT_FALSE(std::isfinite(frobenius_norm<T>(a)));
        EXPECT_TRUE(std::isnan(nuclear_norm<T>(a)));
      }
    }
  }
  EXPECT_EQ(frobenius_norm<T>(Matrix<T>::Constant(2, 2, std::numeric_limits<T>::infinity())), kInf);
}

TYPED_TEST(Norms, SingularValueNorms) {
  using T = TypeParam;
  const Matrix<T> a = reference::with_spectrum(6, 9, {4, 3, 2, 1, 0.5, 0.25}, 5).template cast<T>();
  // Each singular value errs by some roundoffs of the largest.
  const double tolerance = 6 * 9 * 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
  EXPECT_NEAR(nuclear_norm<T>(a), 10.75, tolerance);
  EXPECT_NEAR(spectral_norm<T>(a), 4, tolerance);
}

TYPED_TEST(Norms, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = gaussian(300, 400, 6).template cast<T>();
  const Matrix<T> b = gaussian(300, 400, 7).template cast<T>();
  set_threads(1);
  const double norm = frobenius_norm<T>(a);
  const double inner = dot<T>(a, b);
  for (const int count : {2, 4}) {
    set_threads(count);
    EXPECT_EQ(frobenius_norm<T>(a), norm);
    EXPECT_EQ(dot<T>(a, b), inner);
  }
  set_threads(0);
}

// Each row and each column is a matrix of its own, at every scale.
TYPED_TEST(Norms, OfRowsAndColumns) {
  using T = TypeParam;
  const int far = sizeof(T) == 4 ? 110 : 700;
  for (const auto& [m, n] : reference::shapes()) {
    for (const int power : {0, -far, far}) {
      const Matrix<T> values =
          gaussian(m, n, 8).template cast<T>().unaryExpr([&](T x) { return std::ldexp(x, power); });
      Strided<T> a(values, 2);
      Matrix<double> rows(m, 1);
      Matrix<double> columns(1, n);
      row_norms<T>(a.ref(), rows);
      column_norms<T>(a.ref(), columns);
      const double unit = static_cast<double>(m + n) * 2.3e-16;  // sums of m or n squares
      for (Index i = 0; i < m; ++i) {
        const double norm = frobenius_norm<T>(Matrix<T>(values.row(i)));
        EXPECT_NEAR(rows(i, 0), norm, unit * norm);
      }
      for (Index j = 0; j < n; ++j) {
        const double norm = frobenius_norm<T>(Matrix<T>(values.col(j)));
        EXPECT_NEAR(columns(0, j), norm, unit * norm);
      }
    }
  }
  Matrix<double> columns(1, 3);
  column_norms<T>(Matrix<T>::Zero(2, 3), columns);
  EXPECT_TRUE(columns.isZero(0));
  EXPECT_THROW(column_norms<T>(Matrix<T>::Zero(2, 4), columns), ShapeError);
  EXPECT_THROW(row_norms<T>(Matrix<T>::Zero(2, 3), columns), ShapeError);
}

// Column by column it is row by row of the transpose.
TYPED_TEST(Norms, DivideRowsAndColumns) {
  using T = TypeParam;
  Scratch scratch;
  for (const auto& [m, n] : reference::shapes()) {
    Matrix<T> values = gaussian(m, n, 9).template cast<T>();
    values.row(m - 1).setZero();
    for (const double eps : {0.0, 0.5}) {
      Strided<T> rows(values, 2);
      Matrix<T> columns = values.transpose();
      divide_rows<T>(rows.ref(), 3, eps);
      divide_columns<T>(columns, 3, eps, scratch);
      const double unit = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
      EXPECT_LE((Matrix<T>(rows.ref()) - columns.transpose()).norm(), unit * columns.norm());
      for (Index i = 0; i < m; ++i) {
        const double norm = static_cast<double>(values.row(i).norm());
        const double expected = norm == 0 ? 0 : norm / (3 * norm + eps);
        const double found = frobenius_norm<T>(Matrix<T>(rows.ref().row(i)));
        EXPECT_NEAR(found, expected, unit * static_cast<double>(n));
      }
    }
  }
}

TYPED_TEST(Norms, DotRefusesDifferentShapes) {
  using T = TypeParam;
  EXPECT_THROW(dot<T>(Matrix<T>::Zero(2, 3), Matrix<T>::Zero(3, 2)), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
