#include "muonflow/linalg/gemm.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"

namespace muonflow::linalg {
namespace {

using reference::gaussian;
using reference::Strided;

struct Size {
  Index m, n, k;
};
constexpr std::array kSizes{
    Size{1, 1, 1},     Size{1, 17, 5},   Size{17, 1, 9},      Size{5, 9, 1},    Size{16, 16, 16},
    Size{31, 33, 32},  Size{64, 64, 64}, Size{65, 3, 129},    Size{4, 256, 4},  Size{256, 4, 256},
    Size{70, 130, 90}, Size{3, 5, 900},  Size{129, 200, 131}, Size{1, 600, 70}, Size{600, 1, 70}};
constexpr std::array kOps{Op::none, Op::transpose};

template <class T>
class Gemm : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Scalars);

template <class T>
Matrix<T> stored(const Matrix<double>& a, Op op) {
  if (op == Op::transpose) return a.transpose().template cast<T>();
  return a.template cast<T>();
}

// A sum of k products of entries of size 1 errs by less than k u times the sum of their sizes; in
// Frobenius norm u k ||A|| ||B|| bounds it with room to spare.
TYPED_TEST(Gemm, AgreesWithPlainLoopsForEveryShapeAndTranspose) {
  using T = TypeParam;
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  for (const auto& [m, n, k] : kSizes) {
    const Matrix<double> a = gaussian(m, k, 1).template cast<T>().template cast<double>();
    const Matrix<double> b = gaussian(k, n, 2).template cast<T>().template cast<double>();
    const Matrix<double> start = gaussian(m, n, 3).template cast<T>().template cast<double>();
    const Matrix<double> ab = reference::product(a, b);
    for (const Op op_a : kOps) {
      for (const Op op_b : kOps) {
        for (const double beta : {0.0, 1.0, -0.5}) {
          Strided<T> sa(stored<T>(a, op_a), 3);
          Strided<T> sb(stored<T>(b, op_b), 5);
          Strided<T> sc(start.template cast<T>(), 2);
          gemm<T>(op_a, op_b, T(0.75), sa.ref(), sb.ref(), T(beta), sc.ref());
          const Matrix<double> expected = 0.75 * ab + beta * start;
          const double scale = a.norm() * b.norm() + start.norm();
          EXPECT_LE(reference::distance(sc.values().template cast<double>(), expected),
                    static_cast<double>(k + 2) * kEps * scale)
              << m << " " << n << " " << k << " beta " << beta;
          EXPECT_TRUE(sc.gaps_untouched());
        }
      }
    }
  }
}

TYPED_TEST(Gemm, BetaZeroOverwritesEvenNaN) {
  using T = TypeParam;
  for (const auto& [m, n, k] : kSizes) {
    const Matrix<T> a = gaussian(m, k, 1).template cast<T>();
    const Matrix<T> b = gaussian(k, n, 2).template cast<T>();
    Matrix<T> c = Matrix<T>::Constant(m, n, std::numeric_limits<T>::quiet_NaN());
    gemm<T>(Op::none, Op::none, T(1), a, b, T(0), c);
    EXPECT_TRUE(c.allFinite()) << m << " " << n << " " << k;
  }
}

TYPED_TEST(Gemm, NaNReachesItsRowAndNoOther) {
  using T = TypeParam;
  for (const auto& [m, n, k] : kSizes) {
    Matrix<T> a = gaussian(m, k, 1).template cast<T>();
    const Matrix<T> b = gaussian(k, n, 2).template cast<T>();
    a(m - 1, k - 1) = std::numeric_limits<T>::quiet_NaN();
    Matrix<T> c(m, n);
    gemm<T>(Op::none, Op::none, T(1), a, b, T(0), c);
    EXPECT_TRUE(c.row(m - 1).array().isNaN().all());
    EXPECT_TRUE(c.topRows(m - 1).allFinite());
  }
}

TYPED_TEST(Gemm, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, n, k] : {Size{512, 128, 128}, Size{128, 512, 128}, Size{200, 200, 200},
                                Size{16, 16, 4096}, Size{24, 40, 3000}, Size{300, 7, 2000}}) {
    for (const Op op_a : kOps) {
      for (const Op op_b : kOps) {
        const Matrix<T> a = stored<T>(gaussian(m, k, 1), op_a);
        const Matrix<T> b = stored<T>(gaussian(k, n, 2), op_b);
        Matrix<T> one(m, n);
        set_threads(1);
        gemm<T>(op_a, op_b, T(1), a, b, T(0), one);
        for (const int count : {2, 4}) {
          set_threads(count);
          Matrix<T> many(m, n);
          gemm<T>(op_a, op_b, T(1), a, b, T(0), many);
          EXPECT_TRUE(one == many) << m << " " << n << " " << k << " threads " << count;
        }
        set_threads(0);
      }
    }
  }
}

TYPED_TEST(Gemm, EmptySizes) {
  using T = TypeParam;
  const Matrix<T> a(3, 0);
  const Matrix<T> b(0, 4);
  Matrix<T> c = Matrix<T>::Constant(3, 4, T(2));
  gemm<T>(Op::none, Op::none, T(1), a, b, T(0.5), c);
  EXPECT_TRUE((c.array() == T(1)).all());
  gemm<T>(Op::none, Op::none, T(1), a, b, T(0), c);
  EXPECT_TRUE((c.array() == T(0)).all());
  Matrix<T> none(0, 4);
  gemm<T>(Op::none, Op::none, T(1), Matrix<T>(0, 3), Matrix<T>(3, 4), T(0), none);
  EXPECT_EQ(none.size(), 0);
}

TYPED_TEST(Gemm, RefusesSizesThatDoNotFit) {
  using T = TypeParam;
  const Matrix<T> a = Matrix<T>::Zero(2, 3);
  Matrix<T> c(2, 2);
  EXPECT_THROW(gemm<T>(Op::none, Op::none, T(1), a, a, T(0), c), ShapeError);
  EXPECT_NO_THROW(gemm<T>(Op::none, Op::transpose, T(1), a, a, T(0), c));
}

}  // namespace
}  // namespace muonflow::linalg
