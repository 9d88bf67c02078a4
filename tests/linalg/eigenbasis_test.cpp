#include "muonflow/linalg/eigenbasis.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class EigenbasisTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EigenbasisTest, Scalars);

template <class T>
double eps() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
void expect_orthonormal(const Matrix<T>& q) {
  const Matrix<double> wide = q.template cast<double>();
  const auto n = static_cast<double>(q.rows());
  EXPECT_LE((wide.transpose() * wide - Matrix<double>::Identity(q.rows(), q.rows())).norm(),
            8 * n * eps<T>());
}

TYPED_TEST(EigenbasisTest, SingularBasesDiagonalizeBothGramMatrices) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 11).template cast<T>();
    reference::Strided<T> given(a, 2);
    reference::Strided<T> left(Matrix<T>::Zero(m, m), 1);
    reference::Strided<T> right(Matrix<T>::Zero(n, n), 3);
    ASSERT_TRUE(singular_bases<T>(given.ref(), left.ref(), right.ref(), workspace).ok());
    EXPECT_TRUE(left.gaps_untouched() && right.gaps_untouched());
    expect_orthonormal<T>(left.values());
    expect_orthonormal<T>(right.values());
    // U^T A V is diagonal, its entries in descending order up to sign.
    const Matrix<double> s = left.values().template cast<double>().transpose() *
                             a.template cast<double>() * right.values().template cast<double>();
    const double unit = 8 * static_cast<double>(std::max(m, n)) * eps<T>() * s.norm();
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        if (i != j) {
          EXPECT_LE(std::abs(s(i, j)), unit);
        } else if (i > 0) {
          EXPECT_LE(std::abs(s(i, i)), std::abs(s(i - 1, i - 1)) + unit);
        }
      }
    }
  }
}

// The part of the basis where a has no say is a continuous function of the rest: a change of a by
// delta moves it by about delta s_max / s_min.
TYPED_TEST(EigenbasisTest, TheNullBasisIsNoAccident) {
  using T = TypeParam;
  Workspace<T> workspace;
  const std::vector<double> s{3, 2, 1};
  for (const auto& [m, n] : {std::pair<Index, Index>{3, 20}, {20, 3}, {14, 9}}) {
    std::vector<double> values = s;
    values.resize(static_cast<std::size_t>(std::min(m, n)), 0.0);
    const Matrix<double> a = reference::with_spectrum(m, n, values, 12);
    Matrix<T> left(m, m), right(n, n), moved_left(m, m), moved_right(n, n);
    ASSERT_TRUE(singular_bases<T>(a.template cast<T>(), left, right, workspace).ok());
    const Matrix<T> moved = (-8 * a).template cast<T>();  // other signs, other roundings
    ASSERT_TRUE(singular_bases<T>(moved, moved_left, moved_right, workspace).ok());
    // Vectors of simple singular values are known up to sign.
    for (Index j = 0; j < m; ++j) {
      EXPECT_NEAR(std::abs(static_cast<double>(left.col(j).dot(moved_left.col(j)))), 1,
                  100 * eps<T>());
    }
    for (Index j = 0; j < n; ++j) {
      EXPECT_NEAR(std::abs(static_cast<double>(right.col(j).dot(moved_right.col(j)))), 1,
                  100 * eps<T>());
    }
    Matrix<double> left_in_double(m, m), right_in_double(n, n);
    Workspace<double> wide;
    ASSERT_TRUE(singular_bases<double>(a, left_in_double, right_in_double, wide).ok());
    const Matrix<double> turned =
        (left_in_double.transpose() * left.template cast<double>()).cwiseAbs();
    EXPECT_LE((turned - Matrix<double>::Identity(m, m)).norm(), 100 * eps<T>());
  }
}

TYPED_TEST(EigenbasisTest, ZeroGivesTheIdentityAndEmptyBasesAreLeftOut) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> left(4, 4), right(6, 6), none(0, 0);
  ASSERT_TRUE(singular_bases<T>(Matrix<T>::Zero(4, 6), left, right, workspace).ok());
  EXPECT_TRUE(left == (Matrix<T>::Identity(4, 4)));
  EXPECT_TRUE(right == (Matrix<T>::Identity(6, 6)));
  const Matrix<T> a = reference::gaussian(4, 6, 13).template cast<T>();
  ASSERT_TRUE(singular_bases<T>(a, left, right, workspace).ok());
  Matrix<T> alone(6, 6);
  ASSERT_TRUE(singular_bases<T>(a, none, alone, workspace).ok());
  EXPECT_TRUE(alone == right);
  EXPECT_THROW((void)singular_bases<T>(a, right, left, workspace), ShapeError);
}

TYPED_TEST(EigenbasisTest, RefreshConvergesToTheEigenvectorsInOrder) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Index n = 12;
  const Matrix<double> v = reference::orthonormal(n, n, 14);
  const auto values = reference::geometric(n, 1e3);
  Matrix<double> scaled = v;
  for (Index j = 0; j < n; ++j) scaled.col(j) *= values[static_cast<std::size_t>(j)];
  const Matrix<T> c = (scaled * v.transpose()).template cast<T>();
  Matrix<T> q = reference::orthonormal(n, n, 15).template cast<T>();
  std::vector<Index> order(static_cast<std::size_t>(n));
  // Ratio of neighbours 0.53: 80 steps contract by 1e-22.
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(refresh_eigenbasis<T>(c, q, order, workspace).ok());
  expect_orthonormal<T>(q);
  const Matrix<double> overlap = (v.transpose() * q.template cast<double>()).cwiseAbs();
  // Eigenvectors of the smallest values are known to eps times the condition.
  EXPECT_LE((overlap - Matrix<double>::Identity(n, n)).norm(), 1e3 * n * eps<T>());
  for (Index i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TYPED_TEST(EigenbasisTest, RefreshSortsAndSaysHow) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> c = Matrix<T>::Zero(4, 4);
  c.diagonal() << T(2), T(5), T(2), T(9);
  Matrix<T> q = Matrix<T>::Identity(4, 4);
  std::vector<Index> order(4);
  ASSERT_TRUE(refresh_eigenbasis<T>(c, q, order, workspace).ok());
  EXPECT_EQ(order, (std::vector<Index>{3, 1, 0, 2}));  // equal ones keep their order
  Matrix<T> expected = Matrix<T>::Zero(4, 4);
  expected(3, 0) = expected(1, 1) = expected(0, 2) = expected(2, 3) = 1;
  EXPECT_LE(static_cast<double>((q - expected).norm()), 8 * eps<T>());
}

// Coordinates of x in the bases, before and after: what is kept in them goes along with the
// columns.
TYPED_TEST(EigenbasisTest, RefreshOfBothSidesTakesCoordinatesAlong) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> c = Matrix<T>::Zero(4, 4), d = Matrix<T>::Zero(3, 3);
  c.diagonal() << T(2), T(5), T(2), T(9);
  d.diagonal() << T(1), T(3), T(2);
  const Matrix<T> x = reference::gaussian(4, 3, 17).template cast<T>();
  Matrix<T> none(0, 0);
  for (const bool with_left : {true, false}) {
    for (const bool with_right : {true, false}) {
      Matrix<T> left = with_left ? Matrix<T>::Identity(4, 4) : none;
      Matrix<T> right = with_right ? Matrix<T>::Identity(3, 3) : none;
      Matrix<T> v = x;
      ASSERT_TRUE(
          refresh_bases<T>(with_left ? c : none, with_right ? d : none, left, right, v, workspace)
              .ok());
      Matrix<T> coordinates = x;
      into_bases<T>(left, right, coordinates, workspace);
      // The signs of the new columns are free.
      EXPECT_LE(static_cast<double>((coordinates.cwiseAbs() - v.cwiseAbs()).norm()), 16 * eps<T>());
      if (with_left) {
        EXPECT_EQ(v(0, with_right ? 0 : 1), x(3, 1));
      }
      out_of_bases<T>(left, right, coordinates, workspace);
      EXPECT_LE(static_cast<double>((coordinates - x).norm()), 64 * eps<T>());
    }
  }
}

TYPED_TEST(EigenbasisTest, NotFiniteChangesNothing) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> c = Matrix<T>::Identity(3, 3);
  c(2, 1) = std::numeric_limits<T>::quiet_NaN();
  Matrix<T> q = Matrix<T>::Identity(3, 3);
  const Matrix<T> before = q;
  std::vector<Index> order(3);
  EXPECT_EQ(refresh_eigenbasis<T>(c, q, order, workspace).status, Status::non_finite_input);
  EXPECT_TRUE(q == before);
  Matrix<T> right = q;
  EXPECT_EQ(singular_bases<T>(c, q, right, workspace).status, Status::non_finite_input);
  EXPECT_TRUE(q == before && right == before);
}

TYPED_TEST(EigenbasisTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(150, 90, 16).template cast<T>();
  const Matrix<T> c = a * a.transpose();
  Matrix<T> first;
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    Workspace<T> workspace;
    Matrix<T> left(150, 150), right(90, 90);
    std::vector<Index> order(150);
    ASSERT_TRUE(singular_bases<T>(a, left, right, workspace).ok());
    ASSERT_TRUE(refresh_eigenbasis<T>(c, left, order, workspace).ok());
    if (count == 1) first = left;
    EXPECT_TRUE(left == first);
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg
