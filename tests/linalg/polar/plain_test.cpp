#include "muonflow/linalg/polar/plain.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

constexpr std::array kLibraries{ProductLibrary::onednn, ProductLibrary::openblas,
                                ProductLibrary::openblas_ssyrk, ProductLibrary::eigen};
const std::vector<std::pair<Index, Index>> kShapes{{40, 90}, {90, 40}, {64, 64}};

// The rivals of the benchmark compute what ours computes, or the comparison would be worth nothing.
TEST(PlainSteps, ComputeWhatOursComputes) {
  for (const auto& [m, n] : kShapes) {
    const Matrix<float> a = reference::gaussian(m, n, 95).cast<float>();
    Workspace<float> workspace;
    Matrix<float> ours = a;
    ASSERT_TRUE(polar<float>(ours, {}, workspace).ok());
    for (const auto library : kLibraries) {
      Matrix<float> rival = a;
      plain_steps(rival, jordan_steps(5), library, workspace);
      EXPECT_LE((rival - ours).norm(), 1e-3F * ours.norm()) << m << "x" << n << enum_name(library);
    }
  }
}

// What the benchmark's errors are measured against: the polynomial on exact singular values.
TEST(PlainSteps, InDoubleAreThePolynomialOfTheSingularValues) {
  const auto steps = jordan_steps(5);
  for (const auto& [m, n] : kShapes) {
    const Matrix<double> a = reference::gaussian(m, n, 96);
    const double norm = a.norm() + 1e-7;
    const Matrix<double> expected = reference::map_singular_values(a, [&](long double s) {
      double x = static_cast<double>(s) / norm;
      for (const auto& step : steps) x = step(x);
      return static_cast<long double>(x);
    });
    Matrix<double> x = a;
    Scratch scratch;
    plain_steps(x, steps, scratch);
    // Five steps of sums of n products; Jordan's slope at 0 is 3.4445 a step.
    const double tolerance = std::pow(3.4445, 5) * static_cast<double>(m + n) * 2.3e-16;
    EXPECT_LE((x - expected).norm(), tolerance * expected.norm());
  }
}

// In a loop over matrices, a rival uses one thread for each.
TEST(PlainSteps, InsideAParallelLoop) {
  const Matrix<float> a = reference::gaussian(32, 48, 97).cast<float>();
  std::vector<Matrix<float>> results(4, a);
  parallel_tasks(4, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    Scratch scratch;
    plain_steps(results[at], jordan_steps(5), kLibraries[at], scratch);
  });
  for (const auto& result : results) EXPECT_LE((result - results[0]).norm(), 1e-4F * a.norm());
}

TEST(PlainSteps, CountTheirFlops) {
  EXPECT_EQ(plain_steps_flops(2, 3, 1), 4 * 4 * 3 + 2 * 8);
  EXPECT_EQ(plain_steps_flops(3, 2, 5), 5 * plain_steps_flops(2, 3, 1));
}

}  // namespace
}  // namespace muonflow::linalg
