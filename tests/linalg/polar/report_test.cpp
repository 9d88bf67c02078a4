#include "muonflow/linalg/polar/report.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/linalg/regularized_polar.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
PolarReport report_of(const Matrix<T>& q, const Polar& options,
                      std::optional<double> epsilon = std::nullopt) {
  Matrix<T> x = q;
  Workspace<T> workspace;
  const Outcome outcome = epsilon ? regularized_polar_by<T>(x, *epsilon, options, workspace)
                                  : polar<T>(x, options, workspace);
  EXPECT_TRUE(outcome.ok());
  return polar_report<T>(q, x, options, epsilon);
}

TEST(PolarReport, TheExactMethodHasNoError) {
  for (const auto& [m, n] : {std::pair<Index, Index>{9, 21}, {21, 9}, {12, 12}}) {
    const auto r = report_of<double>(reference::gaussian(m, n, 81), {.method = PolarMethod::svd});
    EXPECT_LE(r.orthogonality_error, 1e-13);
    EXPECT_LE(r.residual, 1e-13);
    EXPECT_LE(r.kernel_error, 1e-13);
    EXPECT_LE(std::abs(r.dual_gap), 1e-13);
    EXPECT_EQ(r.rank, std::min(m, n));
    EXPECT_GT(r.flops, 0);
  }
}

TEST(PolarReport, JordanIsFarFromExactByDesignAndNearItsTwin) {
  const Matrix<float> q = reference::gaussian(64, 128, 82).cast<float>();
  const auto r = report_of<float>(q, {});
  EXPECT_GT(r.residual, 0.05);
  EXPECT_LT(r.residual, 0.35);
  EXPECT_LT(r.kernel_error, 1e-4);  // slope 485 at 0, times the roundoff of float
  EXPECT_GT(r.orthogonality_error, 0.1);
  EXPECT_LT(std::abs(r.dual_gap), 0.4);
}

// The numbers against their definitions, for an X that is no polar factor at all.
TEST(PolarReport, NumbersAreTheirDefinitions) {
  const Matrix<double> q = reference::with_spectrum(3, 3, {3, 2, 1}, 83);
  const Matrix<double> x = 2 * q;
  const auto r = polar_report<double>(q, x, {.method = PolarMethod::svd}, std::nullopt);
  // X X^T - I has eigenvalues 35, 15, 3; the distance of 2 s to 1 is 5, 3, 1; <Q, X> = 2 * 14.
  EXPECT_NEAR(r.orthogonality_error, std::sqrt((35.0 * 35 + 15 * 15 + 9) / 3), 1e-12);
  EXPECT_NEAR(r.residual, std::sqrt(35.0 / 3), 1e-12);
  EXPECT_NEAR(r.dual_gap, 1 - 28.0 / 6, 1e-12);
}

TEST(PolarReport, RankDeficientInputIsJudgedOnItsSupport) {
  const Matrix<double> q = reference::gaussian(10, 2, 84) * reference::gaussian(2, 15, 85);
  const auto exact = report_of<double>(q, {.method = PolarMethod::svd});
  EXPECT_EQ(exact.rank, 2);
  EXPECT_LE(exact.orthogonality_error, 1e-13);
  const auto single = report_of<float>(q.cast<float>(), {.method = PolarMethod::svd});
  EXPECT_EQ(single.rank, 2);
  EXPECT_LE(single.orthogonality_error, 1e-6);
}

TEST(PolarReport, ScaleDoesNotMatter) {
  const Matrix<double> q = reference::gaussian(8, 12, 86);
  for (const double scale : {1e-200, 1e-30, 1e30, 1e200}) {
    const auto r = report_of<double>(scale * q, {.method = PolarMethod::svd});
    EXPECT_LE(r.residual, 1e-13) << scale;
    EXPECT_LE(std::abs(r.dual_gap), 1e-13) << scale;
  }
}

TEST(PolarReport, Regularized) {
  const Matrix<double> q = reference::gaussian(8, 12, 87);
  const auto r = report_of<double>(q, {.method = PolarMethod::svd}, 0.5);
  EXPECT_LE(r.residual, 1e-13);
  EXPECT_GT(r.orthogonality_error, 1e-3);  // singular values stay below 1
  EXPECT_GT(r.dual_gap, 0);
  const auto steps = report_of<float>(q.cast<float>(), {.ns_steps = 5}, 0.5);
  EXPECT_LT(steps.kernel_error, 1e-4);
  EXPECT_GT(steps.residual, 0.01);
}

TEST(PolarReport, ZeroMatrix) {
  const auto r = report_of<float>(Matrix<float>::Zero(4, 5), {});
  EXPECT_EQ(r.rank, 0);
  EXPECT_EQ(r.orthogonality_error, 0);
  EXPECT_EQ(r.residual, 0);
  EXPECT_EQ(r.kernel_error, 0);
  EXPECT_EQ(r.dual_gap, 0);
}

}  // namespace
}  // namespace muonflow::linalg
