#include "muonflow/linalg/detail/resolvent.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
class ResolventTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ResolventTest, Scalars);

template <class T>
Matrix<T> by_qr(double slope, const Matrix<T>& x) {
  Strided<T> out(Matrix<T>(x.rows(), x.cols()), 3);
  std::vector<T> scratch(static_cast<std::size_t>(detail::resolvent_scratch(x.rows(), x.cols())));
  detail::resolvent_by_qr<T>(static_cast<T>(slope), x, out.ref(), scratch.data());
  EXPECT_TRUE(out.gaps_untouched());
  return out.values();
}

template <class T>
Matrix<T> by_cholesky(double slope, const Matrix<T>& x) {
  Strided<T> out(Matrix<T>(x.rows(), x.cols()), 3);
  std::vector<T> scratch(static_cast<std::size_t>(x.rows() * x.rows()));
  const Matrix<double> wide = x.template cast<double>();
  const Matrix<T> gram =
      reference::product(wide, Matrix<double>(wide.transpose())).template cast<T>();
  EXPECT_TRUE(
      detail::resolvent_by_cholesky<T>(static_cast<T>(slope), gram, x, out.ref(), scratch.data()));
  EXPECT_TRUE(out.gaps_untouched());
  return out.values();
}

Matrix<double> twin(double slope, const reference::LongSvd& x) {
  return reference::map_singular_values(x, [=](long double s) -> long double {
    const long double g = static_cast<long double>(slope) * s;
    return g / (1 + g * g);
  });
}

// x has norm 1. An error of u in slope x passes with at most the slope of g / (1 + g^2), 1, so the
// error is about u times the slope, and no power of it; Cholesky's Z has condition 1 + slope^2.
TYPED_TEST(ResolventTest, IsTheFunctionOfTheSingularValues) {
  using T = TypeParam;
  const double u = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 1},
                             {1, 7},
                             {3, 3},
                             {8, 8},
                             {9, 9},
                             {16, 20},
                             {17, 17},
                             {33, 40},
                             {64, 64},
                             {70, 70},
                             {90, 100}}) {
    const Matrix<T> x =
        reference::with_spectrum(m, n, reference::geometric(m, 1e4), 81).template cast<T>();
    const auto decomposed = reference::jacobi_svd(x.template cast<double>());
    const double size = std::sqrt(static_cast<double>(m));
    for (const double slope : {0.1, 1.0, 7.0, 300.0, 1e4}) {
      const Matrix<double> expected = twin(slope, decomposed);
      EXPECT_LE(reference::distance(by_qr<T>(slope, x).template cast<double>(), expected),
                8 * (1 + slope) * size * u)
          << m << "x" << n << " slope " << slope;
      if (slope > 10) continue;
      EXPECT_LE(reference::distance(by_cholesky<T>(slope, x).template cast<double>(), expected),
                8 * (1 + slope * slope) * size * u)
          << m << "x" << n << " slope " << slope;
    }
  }
}

TYPED_TEST(ResolventTest, SaysWhereAPivotIsNotPositive) {
  using T = TypeParam;
  const Matrix<T> x = Matrix<T>::Identity(4, 4);
  Matrix<T> gram = Matrix<T>::Identity(4, 4);
  gram(2, 2) = T(-4);
  Matrix<T> out(4, 4);
  std::vector<T> scratch(16);
  EXPECT_FALSE(detail::resolvent_by_cholesky<T>(T(1), gram, x, out, scratch.data()));
}

TYPED_TEST(ResolventTest, SameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> x = (reference::gaussian(150, 150, 82) / 20).template cast<T>();
  set_threads(1);
  const Matrix<T> qr = by_qr<T>(50, x);
  const Matrix<T> cholesky = by_cholesky<T>(5, x);
  for (const int count : {2, 4}) {
    set_threads(count);
    EXPECT_TRUE(by_qr<T>(50, x) == qr);
    EXPECT_TRUE(by_cholesky<T>(5, x) == cholesky);
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg
