#include "muonflow/linalg/batched/batched_jacobi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/linalg/batched/batches.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::interleaved;
using reference::matrix_of;

template <class T>
class BatchedJacobiTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BatchedJacobiTest, Scalars);

template <class T>
Matrix<double> exact_polar(const Matrix<double>& a) {
  const auto d = reference::jacobi_svd(a);
  const double cutoff =
      support_cutoff<T>(a.rows(), a.cols(), static_cast<double>(d.s[0]), a.norm());
  return reference::map_singular_values(
      d, [&](long double s) -> long double { return s > cutoff ? 1 : 0; });
}

// One rounding of T, and in double some of each rotation; the condition of the polar factor itself,
// u s_max / s_min, comes from rounding the input, which the twin sees too: only double rotations
// remain, relative to each row.
template <class T>
double tolerance(Index m, Index n) {
  const auto r = static_cast<double>(std::min(m, n));
  return 20 * r * std::numeric_limits<T>::epsilon();
}

TYPED_TEST(BatchedJacobiTest, ExactPolarAndSingularValuesOnEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::tiny_shapes()) {
    const auto matrices = reference::gaussian_batch(m * n > 64 ? 2 : 17, m, n, 51);
    const InterleavedBatch<T> before = interleaved<T>(matrices);
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    const Index r = std::min(m, n);
    std::vector<double> values(static_cast<std::size_t>(batch.count() * r));
    ASSERT_TRUE(batched_singular_values<T>(before, values).ok());
    ASSERT_TRUE(batched_exact_polar<T>(batch).ok());
    for (Index k = 0; k < batch.count(); ++k) {
      const Matrix<double> a = matrix_of(before, k);
      const auto d = reference::jacobi_svd(a);
      for (Index p = 0; p < r; ++p) {
        const auto s = static_cast<double>(d.s[static_cast<std::size_t>(p)]);
        const double found = values[static_cast<std::size_t>(k * r + p)];
        // Relative: row scaling, not the largest value, decides. Gaussian squares reach a
        // condition of a few thousand.
        EXPECT_NEAR(found, s, 1e-11 * s + 1e-14 * a.norm()) << m << 'x' << n;
      }
      const double condition = static_cast<double>(d.s.front() / d.s.back());
      EXPECT_LE((matrix_of(batch, k) - exact_polar<T>(a)).norm(),
                tolerance<T>(m, n) * (sizeof(T) == 8 ? std::max(1.0, condition) : 1.0))
          << m << 'x' << n;
    }
  }
}

TYPED_TEST(BatchedJacobiTest, ConditionNumbersAndRanks) {
  using T = TypeParam;
  std::vector<Matrix<double>> matrices;
  for (const double condition : {1e1, 1e3, 1e5}) {
    matrices.push_back(reference::with_spectrum(6, 9, reference::geometric(6, condition), 61));
  }
  matrices.push_back(reference::with_spectrum(6, 9, {1, 0.5, 0, 0, 0, 0}, 62));  // rank 2
  matrices.push_back(Matrix<double>::Zero(6, 9));
  matrices.push_back(Matrix<double>::Constant(6, 9, 3.0));  // rank 1
  matrices.push_back(Matrix<double>::Identity(6, 9));
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  InterleavedBatch<T> batch = interleaved<T>(matrices);
  ASSERT_TRUE(batched_exact_polar<T>(batch).ok());
  const std::vector<double> conditions{1e1, 1e3, 1e5, 2, 1, 1, 1};
  for (Index k = 0; k < batch.count(); ++k) {
    const Matrix<double> exact = exact_polar<T>(matrix_of(before, k));
    // Rank-deficient in T: what its rounding left is below the cutoff in both.
    const double scale = sizeof(T) == 8 ? conditions[static_cast<std::size_t>(k)] : 1.0;
    EXPECT_LE((matrix_of(batch, k) - exact).norm(), tolerance<T>(6, 9) * scale) << k;
  }
  EXPECT_TRUE(matrix_of(batch, 4).isZero(0));
}

TYPED_TEST(BatchedJacobiTest, ScalesAndTroubleConcernOneMatrix) {
  using T = TypeParam;
  auto matrices = reference::gaussian_batch(6, 4, 4, 71);
  matrices[1] *= 1e-30;
  matrices[2] *= 1e30;
  matrices[3] *= static_cast<double>(std::numeric_limits<T>::max()) / 100;
  matrices[4](2, 2) = std::numeric_limits<double>::quiet_NaN();
  InterleavedBatch<T> batch = interleaved<T>(matrices);
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  const BatchOutcome outcome = batched_exact_polar<T>(batch);
  EXPECT_EQ(outcome.status, Status::non_finite_input);
  EXPECT_EQ(outcome.failed, 1);
  EXPECT_EQ(outcome.first, 4);
  for (const Index k : {0, 1, 2, 3, 5}) {
    const Matrix<double> a = matrix_of(before, k);
    const auto d = reference::jacobi_svd(a);
    const double condition = static_cast<double>(d.s.front() / d.s.back());
    EXPECT_LE((matrix_of(batch, k) - exact_polar<T>(a)).norm(),
              tolerance<T>(4, 4) * (sizeof(T) == 8 ? condition : 1.0))
        << k;
    InterleavedBatch<T> alone = interleaved<T>({matrices[static_cast<std::size_t>(k)]});
    ASSERT_TRUE(batched_exact_polar<T>(alone).ok());
    EXPECT_TRUE(matrix_of(alone, 0) == matrix_of(batch, k));  // whatever the others need
  }
  EXPECT_EQ(matrix_of(batch, 4)(0, 0), matrix_of(before, 4)(0, 0));
  std::vector<double> values(24);
  EXPECT_EQ(batched_singular_values<T>(before, values).first, 4);
  EXPECT_TRUE(std::isnan(values[16]) && std::isfinite(values[15]) && std::isfinite(values[20]));
  EXPECT_THROW((void)batched_singular_values<T>(before, std::span<double>(values).first(3)),
               ShapeError);
}

TYPED_TEST(BatchedJacobiTest, ThreadsLayoutsAndInstructionSets) {
  using T = TypeParam;
  const Index count = 100;
  const auto matrices = reference::gaussian_batch(count, 5, 8, 81);
  set_threads(1);
  InterleavedBatch<T> one = interleaved<T>(matrices);
  std::vector<T> packed(static_cast<std::size_t>(count * 40));
  one.store(packed.data());
  ASSERT_TRUE(batched_exact_polar<T>(one).ok());
  for (const int threads : {2, 4}) {
    set_threads(threads);
    std::vector<T> many = packed;
    ASSERT_TRUE(batched_exact_polar<T>(many.data(), count, 5, 8).ok());
    std::vector<T> expected(many.size());
    one.store(expected.data());
    EXPECT_EQ(many, expected);
  }
  set_threads(0);
  reference::for_each_target([&](std::int64_t target) {
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    ASSERT_TRUE(batched_exact_polar<T>(batch).ok());
    for (Index k = 0; k < count; ++k) {
      EXPECT_LE((matrix_of(batch, k) - matrix_of(one, k)).norm(), 10 * tolerance<T>(5, 8))
          << target;
    }
  });
}

}  // namespace
}  // namespace muonflow::linalg
