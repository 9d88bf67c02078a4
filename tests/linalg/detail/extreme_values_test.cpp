#include "muonflow/linalg/detail/extreme_values.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class ExtremeValuesTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ExtremeValuesTest, Scalars);

TYPED_TEST(ExtremeValuesTest, EstimatesAreWithinTwoFromTheirSide) {
  using T = TypeParam;
  const auto u = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const auto& [m, n] : reference::shapes()) {
    if (m > n) continue;
    for (const std::uint64_t seed : {101U, 102U, 103U}) {
      const Matrix<T> a = reference::gaussian(m, n, seed).template cast<T>();
      const auto s = reference::jacobi_svd(a.template cast<double>()).s;
      const auto largest = static_cast<double>(s.front());
      const auto smallest = static_cast<double>(s.back());
      Scratch scratch;
      Scratch::Frame frame(scratch);
      const double above = detail::largest_from_below<T>(a, scratch);
      EXPECT_LE(above, largest * (1 + 16 * u));
      EXPECT_GE(above, largest / 2);
      EXPECT_GE(detail::norm_bound<T>(a), largest * (1 - 16 * u));
      // The solves are as accurate as the condition lets them be.
      const double slack = 1 + 64 * u * largest / smallest;
      const double below =
          detail::smallest_from_above<T>(detail::triangle<T>(a, scratch, frame), scratch);
      EXPECT_GE(below * slack, smallest);
      EXPECT_LE(below, 2 * smallest * slack);
      if (m != n) continue;
      const double by_lu = detail::smallest_from_above<T>(a, scratch);
      EXPECT_GE(by_lu * slack, smallest);
      EXPECT_LE(by_lu, 2 * smallest * slack);
    }
  }
}

TYPED_TEST(ExtremeValuesTest, SingularMatricesGiveZeroOrRoundoff) {
  using T = TypeParam;
  const auto u = static_cast<double>(std::numeric_limits<T>::epsilon());
  Scratch scratch;
  Scratch::Frame frame(scratch);
  EXPECT_EQ((detail::smallest_from_above<T>(Matrix<T>(Matrix<T>::Zero(4, 4)), scratch)), 0);
  EXPECT_EQ((detail::largest_from_below<T>(Matrix<T>(Matrix<T>::Zero(4, 6)), scratch)), 0);
  Matrix<T> a = reference::gaussian(20, 20, 104).template cast<T>();
  a.row(3) = a.row(11);
  EXPECT_LE((detail::smallest_from_above<T>(a, scratch)), 200 * u);
  const auto qr = detail::triangle<T>(a, scratch, frame);
  EXPECT_LE((detail::smallest_from_above<T>(qr, scratch)), 200 * u);
  // A triangle whose inverse overflows.
  Matrix<T> wild = -Matrix<T>::Ones(1100, 1100);
  wild.template triangularView<Eigen::StrictlyUpper>().setZero();
  wild.diagonal().setConstant(T(1) / 8);
  EXPECT_EQ((detail::smallest_from_above<T>(
                detail::Triangle<T>{
                    MatrixMap<T>(wild.data(), 1100, 1100, Eigen::OuterStride<>(1100)), {}},
                scratch)),
            0);
}

TYPED_TEST(ExtremeValuesTest, FactorsRebuildTheMatrix) {
  using T = TypeParam;
  const auto u = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 1}, {7, 7}, {9, 30}, {40, 55}}) {
    const Matrix<T> a = reference::gaussian(m, n, 105).template cast<T>();
    const Matrix<double> input = a.template cast<double>();
    for (const bool pivoted : {false, true}) {
      Scratch scratch;
      Scratch::Frame frame(scratch);
      std::vector<int> pivots(static_cast<std::size_t>(m));
      auto qr = pivoted ? detail::pivoted_triangle<T>(a, pivots, scratch, frame)
                        : detail::triangle<T>(a, scratch, frame);
      Matrix<double> lower = Matrix<double>::Zero(m, m);
      for (Index j = 0; j < m; ++j) {
        const Index row = pivoted ? pivots[static_cast<std::size_t>(j)] - 1 : j;
        for (Index i = 0; i <= j; ++i) lower(row, i) = static_cast<double>(qr.factored(j, i));
        if (pivoted && j > 0) {
          EXPECT_LE(std::abs(qr.factored(j, j)), std::abs(qr.factored(j - 1, j - 1)) * T(1.001));
        }
      }
      const Matrix<double> q = qr.form_q(qr.rows(), scratch).template cast<double>();
      EXPECT_LE((reference::product(lower, q) - input).norm(),
                8 * std::sqrt(static_cast<double>(m)) * u * input.norm());
    }
  }
}

}  // namespace
}  // namespace muonflow::linalg
