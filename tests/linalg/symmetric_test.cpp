#include "muonflow/linalg/symmetric.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"

namespace muonflow::linalg {
namespace {

using reference::gaussian;
using reference::Strided;

template <class T>
class Symmetric : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Symmetric, Scalars);

TYPED_TEST(Symmetric, AgreesWithPlainLoopsAndIsAMirrorImage) {
  using T = TypeParam;
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  auto shapes = reference::shapes();
  shapes.push_back({260, 40});
  shapes.push_back({300, 300});
  for (const auto& [m, k] : shapes) {
    const Matrix<double> a = gaussian(m, k, 5).template cast<T>().template cast<double>();
    const Matrix<double> half = gaussian(m, m, 6).template cast<T>().template cast<double>();
    const Matrix<double> start =
        (half + half.transpose()).template cast<T>().template cast<double>();
    const Matrix<double> aat = reference::product(a, a.transpose());
    for (const double beta : {0.0, -0.5}) {
      Strided<T> sa(a.template cast<T>(), 3);
      Strided<T> sc(start.template cast<T>(), 1);
      symmetric_product<T>(T(1.5), sa.ref(), T(beta), sc.ref());
      const Matrix<T> c = sc.values();
      // k products a sum, as for the general product.
      EXPECT_LE(reference::distance(c.template cast<double>(), 1.5 * aat + beta * start),
                static_cast<double>(k + 2) * kEps * (2 * a.squaredNorm() + start.norm()))
          << m << " " << k;
      EXPECT_TRUE(c == c.transpose()) << m << " " << k;
      EXPECT_TRUE(sc.gaps_untouched());
    }
  }
}

TYPED_TEST(Symmetric, WithScratchAndSquareAgreeWithPlainLoops) {
  using T = TypeParam;
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  Scratch scratch;
  auto shapes = reference::shapes();
  shapes.push_back({260, 40});
  for (const auto& [m, k] : shapes) {
    const Matrix<double> a = gaussian(m, k, 15).template cast<T>().template cast<double>();
    const Matrix<double> aat = reference::product(a, a.transpose());
    Strided<T> sa(a.template cast<T>(), 3);
    Matrix<T> c = Matrix<T>::Identity(m, m);
    symmetric_product<T>(T(1), sa.ref(), T(2), c, scratch);
    const Matrix<double> expected = aat + 2 * Matrix<double>::Identity(m, m);
    EXPECT_LE(reference::distance(c.template cast<double>(), expected),
              static_cast<double>(k + 2) * kEps * (a.squaredNorm() + static_cast<double>(m)));
    EXPECT_TRUE(c == c.transpose()) << m << " " << k;

    Matrix<T> square = Matrix<T>::Identity(m, m);
    symmetric_square<T>(T(0.5), c, T(2), square);
    const Matrix<double> wide = c.template cast<double>();
    const Matrix<double> twice =
        0.5 * reference::product(wide, wide) + 2 * Matrix<double>::Identity(m, m);
    EXPECT_LE(reference::distance(square.template cast<double>(), twice),
              static_cast<double>(m + 2) * kEps * (wide.squaredNorm() + static_cast<double>(m)));
    EXPECT_TRUE(square == square.transpose());
  }
  Matrix<T> c(2, 2);
  EXPECT_THROW(symmetric_square<T>(T(1), Matrix<T>(2, 3), T(0), c), ShapeError);
}

TYPED_TEST(Symmetric, BetaZeroOverwritesEvenNaN) {
  using T = TypeParam;
  for (const Index m : {3, 70, 200}) {
    Matrix<T> c = Matrix<T>::Constant(m, m, std::numeric_limits<T>::quiet_NaN());
    symmetric_product<T>(T(1), gaussian(m, 4, 7).template cast<T>(), T(0), c);
    EXPECT_TRUE(c.allFinite());
  }
}

TYPED_TEST(Symmetric, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, k] : {std::pair<Index, Index>{130, 70}, {16, 5000}, {300, 40}, {256, 256}}) {
    const Matrix<T> a = gaussian(m, k, 8).template cast<T>();
    Matrix<T> one(m, m);
    set_threads(1);
    symmetric_product<T>(T(1), a, T(0), one);
    for (const int count : {2, 4}) {
      set_threads(count);
      Matrix<T> many(m, m);
      symmetric_product<T>(T(1), a, T(0), many);
      EXPECT_TRUE(one == many) << m << " " << k;
    }
    set_threads(0);
  }
}

TYPED_TEST(Symmetric, EmptyInnerSizeAndWrongShapes) {
  using T = TypeParam;
  Matrix<T> c = Matrix<T>::Constant(2, 2, T(3));
  symmetric_product<T>(T(1), Matrix<T>(2, 0), T(2), c);
  EXPECT_TRUE((c.array() == T(6)).all());
  Matrix<T> wrong(2, 3);
  EXPECT_THROW(symmetric_product<T>(T(1), Matrix<T>(2, 4), T(0), wrong), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
