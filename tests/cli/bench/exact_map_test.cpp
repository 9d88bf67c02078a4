#include "muonflow/cli/bench/exact_map.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"

namespace muonflow::cli {
namespace {

TEST(ExactMap, TheIdentityMapGivesTheMatrixBack) {
  for (const auto& [m, n] : {std::pair<Index, Index>{6, 6}, {9, 4}, {4, 9}}) {
    const Matrix<double> a = reference::gaussian(m, n, 5);
    const Matrix<double> same = ExactSvd(a).map([](long double s) { return s; });
    // Rounded to double once.
    EXPECT_LE((same - a).norm(), 4 * 1.2e-16 * a.norm());
  }
}

// At condition 1e8 an SVD in double would be wrong by 1e-8.
TEST(ExactMap, ThePolarFactorOfAnIllConditionedMatrixIsOrthogonal) {
  const Matrix<double> a = reference::with_spectrum(16, 16, reference::geometric(16, 1e8), 6);
  const Matrix<double> x = ExactSvd(a).map([](long double) { return 1.0L; });
  EXPECT_LE((x * x.transpose() - Matrix<double>::Identity(16, 16)).norm(), 16 * 2.3e-16);
  // The polar factor is the one that makes x^T a symmetric.
  const Matrix<double> h = x.transpose() * a;
  EXPECT_LE((h - h.transpose()).norm(), 16 * 2.3e-16 * a.norm());
}

TEST(ExactMap, ZeroStaysZero) {
  const Matrix<double> zero = Matrix<double>::Zero(3, 5);
  EXPECT_EQ(ExactSvd(zero).map([](long double) { return 1.0L; }).norm(), 0);
}

}  // namespace
}  // namespace muonflow::cli
