#include "muonflow/linalg/elementwise/apply.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class ApplyOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ApplyOf, Scalars);

TYPED_TEST(ApplyOf, WeightsAfterAStepAreItsEquation) {
  using T = TypeParam;
  for (const Index cols : {1, 15, 16, 47, 200}) {
    const Matrix<T> wide = reference::gaussian(4, cols + 3, 1).cast<T>();
    const ConstMatrixRef<T> w = wide.leftCols(cols);
    const Matrix<T> old = reference::gaussian(4, cols, 2).cast<T>();
    Matrix<T> d = old;
    EXPECT_TRUE(weights_after<T>({.kept = 0.99, .by = 0.1, .after = 0.9}, w, d));
    for (Index i = 0; i < 4; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const T kept = T(0.99) * w(i, j), by = T(0.1) * old(i, j);
        const T moved = kept - by;
        ASSERT_EQ(d(i, j), T(0.9) * moved);
      }
    }
  }
}

// Wherever it stands: in whole vectors, in the rest of a row, in the last row.
TYPED_TEST(ApplyOf, SeesEveryEntryThatIsNotFinite) {
  using T = TypeParam;
  constexpr Index kCols = 41;
  for (const T bad : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                      std::numeric_limits<T>::quiet_NaN()}) {
    for (Index at = 0; at < 2 * kCols; ++at) {
      const Matrix<T> w = Matrix<T>::Ones(2, kCols);
      Matrix<T> d = w;
      d.data()[at] = bad;
      Matrix<T> signs = d;
      ASSERT_FALSE(weights_after<T>({.by = 1}, w, d)) << at;
      ASSERT_FALSE(to_signs<T>(signs)) << at;
      ASSERT_EQ(signs(at == 0 ? 1 : 0, 0), 1) << "unchanged";
    }
  }
  // Finite numbers whose step is not.
  const Matrix<T> w = Matrix<T>::Constant(1, 5, std::numeric_limits<T>::max());
  Matrix<T> d = -w;
  EXPECT_FALSE(weights_after<T>({.by = 1}, w, d));
}

TYPED_TEST(ApplyOf, SignsAreOfThreeKinds) {
  using T = TypeParam;
  Matrix<T> d = reference::gaussian(3, 50, 4).cast<T>();
  d(0, 0) = T(0);
  d(0, 1) = -T(0);
  d(2, 49) = -std::numeric_limits<T>::denorm_min();
  const Matrix<T> old = d;
  EXPECT_TRUE(to_signs<T>(d));
  for (Index k = 0; k < d.size(); ++k) {
    const T x = old.data()[k];
    ASSERT_EQ(d.data()[k], static_cast<T>((x > 0) - (x < 0)));
  }
  EXPECT_FALSE(std::signbit(d(0, 1)));
}

TYPED_TEST(ApplyOf, CopiesRowsThatLieApart) {
  using T = TypeParam;
  const Matrix<T> from = reference::gaussian(5, 9, 7).cast<T>();
  Matrix<T> wide = Matrix<T>::Zero(5, 12);
  copy_rows<T>(from, wide.middleCols(2, 9));
  EXPECT_EQ(wide.middleCols(2, 9), from);
  EXPECT_TRUE((wide.leftCols(2).array() == T(0)).all());
  EXPECT_TRUE((wide.rightCols(1).array() == T(0)).all());
}

TEST(Apply, RefusesOtherShapes) {
  const Matrix<double> w = Matrix<double>::Ones(2, 3);
  Matrix<double> d = Matrix<double>::Ones(3, 2);
  EXPECT_THROW((void)weights_after<double>({}, w, d), ShapeError);
  EXPECT_THROW(copy_rows<double>(w, d), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
