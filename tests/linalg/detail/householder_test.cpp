#include "muonflow/linalg/detail/householder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/qr.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
class HouseholderOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(HouseholderOf, Scalars);

template <class T>
double unit_of(Index m) {  // Householder's method: some m roundoffs
  return 4 * static_cast<double>(m) * static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
double orthogonality_error(const Matrix<T>& q) {
  const Matrix<double> wide = q.template cast<double>();
  return (wide.transpose() * wide - Matrix<double>::Identity(q.cols(), q.cols())).norm() /
         std::sqrt(static_cast<double>(q.cols()));
}

// Widths of less than a block, of whole blocks and of a rest; LAPACK's factor is unique where the
// diagonal of r is positive.
TYPED_TEST(HouseholderOf, IsLapacksFactor) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{5, 1}, {40, 40}, {128, 128}, {200, 150}}) {
    const Matrix<T> a = reference::gaussian(m, n, 51).template cast<T>();
    Matrix<T> q = a;
    Scratch scratch;
    orthonormal_factor<T>(q, scratch);
    EXPECT_LE(orthogonality_error<T>(q), unit_of<T>(m)) << m << " x " << n;
    const Matrix<double> r = q.template cast<double>().transpose() * a.template cast<double>();
    for (Index i = 0; i < n; ++i) {
      EXPECT_GE(r(i, i), 0);
      for (Index j = 0; j < i; ++j) EXPECT_LE(std::abs(r(i, j)), unit_of<T>(m) * a.norm());
    }
    // The condition of a Gaussian square is some multiple of its size.
    const Matrix<T> lapack = qr<T>(a).q;
    EXPECT_LE((q - lapack).norm(), 100 * static_cast<double>(m) * unit_of<T>(m));
  }
}

TYPED_TEST(HouseholderOf, CompletesWhatDepends) {
  using T = TypeParam;
  Matrix<T> a = reference::gaussian(150, 100, 52).template cast<T>();
  a.col(10) = a.col(3);
  a.rightCols(30).setZero();
  Matrix<T> q = a;
  Scratch scratch;
  orthonormal_factor<T>(q, scratch);
  EXPECT_LE(orthogonality_error<T>(q), unit_of<T>(150));
  Matrix<T> zero = Matrix<T>::Zero(90, 70);
  orthonormal_factor<T>(zero, scratch);
  EXPECT_TRUE((zero == Matrix<T>::Identity(90, 70)));
}

TYPED_TEST(HouseholderOf, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const Matrix<T> a = reference::gaussian(300, 290, 53).template cast<T>();
  Scratch scratch;
  Matrix<T> one = a;
  set_threads(1);
  ASSERT_TRUE(orthonormalize<T>(one, scratch).ok());  // which takes this path: kWorthBlocks
  for (const int count : {2, 4}) {
    set_threads(count);
    Matrix<T> many = a;
    orthonormal_factor<T>(many, scratch);
    EXPECT_TRUE(many == one) << count;
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg::detail
