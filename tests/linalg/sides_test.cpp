#include "muonflow/linalg/sides.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class SidesTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SidesTest, Scalars);

constexpr std::array<Side, 2> kSides{Side::left, Side::right};

// Some n roundings of sums of n products.
template <class T>
double gram_tolerance(Index m, Index n) {
  return 4 * static_cast<double>(std::max(m, n)) *
         static_cast<double>(std::numeric_limits<T>::epsilon());
}

TYPED_TEST(SidesTest, AveragesTheGramMatrixOfTheSide) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<double> g = reference::gaussian(m, n, 1);
    for (const Side side : kSides) {
      const Matrix<double> gram = side == Side::left ? Matrix<double>(g * g.transpose())
                                                     : Matrix<double>(g.transpose() * g);
      const Matrix<double> h = reference::gaussian(gram.rows(), gram.rows(), 2);
      const Matrix<double> before = h * h.transpose();
      const Matrix<double> expected = 0.75 * before + 0.25 * gram;
      reference::Strided<T> given(g.template cast<T>(), 2);
      reference::Strided<T> c(before.template cast<T>(), 3);
      average_gram<T>(side, 0.75, given.ref(), c.ref(), workspace);
      EXPECT_TRUE(c.gaps_untouched());
      const Matrix<T> got = c.values();
      EXPECT_LE((got.template cast<double>() - expected).norm(),
                gram_tolerance<T>(m, n) * std::max(expected.norm(), g.squaredNorm()));
      EXPECT_TRUE(got == Matrix<T>(got.transpose()));
    }
  }
}

TYPED_TEST(SidesTest, MultipliesOnTheSide) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<double> x = reference::gaussian(m, n, 3);
    for (const Side side : kSides) {
      const Index k = side == Side::left ? m : n;
      const Matrix<double> s = reference::gaussian(k, k, 4);
      for (const Op op : {Op::none, Op::transpose}) {
        const Matrix<double> a = op == Op::none ? s : Matrix<double>(s.transpose());
        const Matrix<double> expected =
            side == Side::left ? Matrix<double>(a * x) : Matrix<double>(x * a);
        reference::Strided<T> product(x.template cast<T>(), 1);
        multiply_side<T>(side, op, s.template cast<T>(), product.ref(), workspace);
        EXPECT_TRUE(product.gaps_untouched());
        EXPECT_LE((product.values().template cast<double>() - expected).norm(),
                  gram_tolerance<T>(m, n) * s.norm() * x.norm());
      }
    }
  }
}

TYPED_TEST(SidesTest, BothAveragesAreTheTwoAndEmptyOnesAreLeftOut) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> g = reference::gaussian(5, 7, 6).template cast<T>();
  Matrix<T> left = Matrix<T>::Identity(5, 5), right = Matrix<T>::Identity(7, 7), none(0, 0);
  Matrix<T> same_left = left, same_right = right, alone = right;
  average_grams<T>(0.9, g, left, right, workspace);
  average_gram<T>(Side::left, 0.9, g, same_left, workspace);
  average_gram<T>(Side::right, 0.9, g, same_right, workspace);
  average_grams<T>(0.9, g, none, alone, workspace);
  EXPECT_TRUE(left == same_left && right == same_right && alone == right);
}

TYPED_TEST(SidesTest, SizesMustFit) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> x = Matrix<T>::Ones(3, 5);
  Matrix<T> c = Matrix<T>::Ones(5, 5);
  EXPECT_THROW(average_gram<T>(Side::left, 0.5, x, c, workspace), ShapeError);
  EXPECT_THROW(multiply_side<T>(Side::left, Op::none, c, x, workspace), ShapeError);
  EXPECT_NO_THROW(average_gram<T>(Side::right, 0.5, x, c, workspace));
  EXPECT_NO_THROW(multiply_side<T>(Side::right, Op::none, c, x, workspace));
}

TYPED_TEST(SidesTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> g = reference::gaussian(140, 200, 5).template cast<T>();
  for (const Side side : kSides) {
    const Index k = side == Side::left ? 140 : 200;
    Matrix<T> first;
    for (const int count : {1, 2, 4}) {
      set_threads(count);
      Workspace<T> workspace;
      Matrix<T> c = Matrix<T>::Identity(k, k);
      Matrix<T> x = g;
      average_gram<T>(side, 0.9, g, c, workspace);
      multiply_side<T>(side, Op::none, c, x, workspace);
      if (count == 1) first = x;
      EXPECT_TRUE(x == first);
    }
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg
