#include "muonflow/linalg/batched/batched_polar.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/linalg/batched/batches.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::interleaved;
using reference::matrix_of;

template <class T>
class BatchedPolarTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BatchedPolarTest, Scalars);

// Three of Muon's quintic, a cubic, and one of degree 9: every way to evaluate a polynomial.
std::vector<OddPolynomial> steps_of_every_degree() {
  return {{3.4445, -4.7750, 2.0315},
          {1.5, -0.5},
          {3.4445, -4.7750, 2.0315},
          {315.0 / 128, -420.0 / 128, 378.0 / 128, -180.0 / 128, 35.0 / 128},
          {0.9}};
}

Matrix<double> twin(const Matrix<double>& a, const BatchedPolar& options) {
  const double norm = a.stableNorm();  // of denormals and of the largest numbers too
  const double divisor =
      options.eps_mode == EpsMode::add ? norm + options.eps : std::max(norm, options.eps);
  if (norm == 0) return a;
  return reference::map_singular_values(a, [&](long double s) -> long double {
    double x = static_cast<double>(s) / divisor;
    for (const OddPolynomial& p : options.steps) x = p(x);
    return x;
  });
}

// Each step multiplies what rounding left by its slope, at most 3.45 in three of these.
template <class T>
double tolerance(const Matrix<double>& exact) {
  const auto r = static_cast<double>(std::min(exact.rows(), exact.cols()));
  return 40 * std::sqrt(r) * std::numeric_limits<T>::epsilon();
}

TYPED_TEST(BatchedPolarTest, AgreesWithTheTwinOnEveryShape) {
  using T = TypeParam;
  const std::vector<OddPolynomial> steps = steps_of_every_degree();
  for (const auto& [m, n] : reference::tiny_shapes()) {
    const auto matrices = reference::gaussian_batch(m * n > 64 ? 17 : 3, m, n, 5);
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    for (const BatchedPolar options :
         {BatchedPolar{.steps = steps}, {.steps = {}, .eps = 0.5, .eps_mode = EpsMode::max}}) {
      batch = interleaved<T>(matrices);
      const InterleavedBatch<T> before = interleaved<T>(matrices);
      ASSERT_TRUE(batched_polar<T>(batch, options).ok());
      for (Index k = 0; k < batch.count(); ++k) {
        const Matrix<double> exact = twin(matrix_of(before, k), options);
        EXPECT_LE((matrix_of(batch, k) - exact).norm(), tolerance<T>(exact)) << m << 'x' << n;
      }
    }
  }
}

TYPED_TEST(BatchedPolarTest, EveryCountInBothLayouts) {
  using T = TypeParam;
  const std::vector<OddPolynomial> steps = steps_of_every_degree();
  for (const auto& [m, n] : {std::pair<Index, Index>{4, 8}, {7, 5}}) {
    for (const Index count : {0, 1, 15, 16, 17, 1000}) {
      const std::vector<Matrix<double>> matrices =
          reference::gaussian_batch(std::max<Index>(count, 1), m, n, 9);
      std::vector<T> packed(static_cast<std::size_t>(count * m * n));
      InterleavedBatch<T> batch(count, m, n);
      for (Index k = 0; k < count; ++k) {
        for (Index e = 0; e < m * n; ++e) {
          packed[static_cast<std::size_t>(k * m * n + e)] =
              static_cast<T>(matrices[static_cast<std::size_t>(k)].data()[e]);
        }
      }
      batch.load(packed.data());
      ASSERT_TRUE(batched_polar<T>(batch, {.steps = steps}).ok());
      ASSERT_TRUE(batched_polar<T>(packed.data(), count, m, n, {.steps = steps}).ok());
      std::vector<T> stored(packed.size());
      batch.store(stored.data());
      EXPECT_EQ(stored, packed);
      if (count == 0) continue;
      // The first and the last against matrices alone in their batch, bit by bit.
      for (const Index k : {Index{0}, count - 1}) {
        InterleavedBatch<T> alone = interleaved<T>({matrices[static_cast<std::size_t>(k)]});
        ASSERT_TRUE(batched_polar<T>(alone, {.steps = steps}).ok());
        EXPECT_TRUE(matrix_of(alone, 0) == matrix_of(batch, k)) << count;
      }
    }
  }
}

TYPED_TEST(BatchedPolarTest, ScalesZeroAndTrouble) {
  using T = TypeParam;
  const std::vector<OddPolynomial> steps(6, OddPolynomial{1.875, -1.25, 0.375});
  const BatchedPolar options{.steps = steps, .eps = 0};
  auto matrices = reference::gaussian_batch(8, 5, 6, 21);
  const double least = static_cast<double>(std::numeric_limits<T>::denorm_min());
  matrices[1] *= 1e-30;
  matrices[2] *= 1e30;
  matrices[3].setZero();
  matrices[4] = Matrix<double>::Constant(5, 6, least);
  matrices[5] *= static_cast<double>(std::numeric_limits<T>::max()) / 100;
  matrices[6](4, 5) = std::numeric_limits<double>::quiet_NaN();
  matrices[7](0, 0) = std::numeric_limits<double>::infinity();
  InterleavedBatch<T> batch = interleaved<T>(matrices);
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  const BatchOutcome outcome = batched_polar<T>(batch, options);
  EXPECT_EQ(outcome.status, Status::non_finite_input);
  EXPECT_EQ(outcome.failed, 2);
  EXPECT_EQ(outcome.first, 6);
  for (Index k = 0; k < 6; ++k) {
    const Matrix<double> exact = twin(matrix_of(before, k), options);
    EXPECT_LE((matrix_of(batch, k) - exact).norm(), tolerance<T>(exact)) << k;
  }
  EXPECT_TRUE(matrix_of(batch, 3).isZero(0));
  EXPECT_TRUE(std::isnan(matrix_of(batch, 6)(4, 5)));
  EXPECT_EQ(matrix_of(batch, 7)(1, 1), matrix_of(before, 7)(1, 1));
  EXPECT_EQ(matrix_of(batch, 6)(0, 0), matrix_of(before, 6)(0, 0));

  // A composition that diverges: reported for those it diverges on, which stay as they were.
  const std::vector<OddPolynomial> wild(12, OddPolynomial{0, 0, 1e8});
  InterleavedBatch<T> again = interleaved<T>(matrices);
  const BatchOutcome diverged = batched_polar<T>(again, {.steps = wild, .eps = 0});
  EXPECT_EQ(diverged.status, Status::non_finite_result);
  EXPECT_EQ(diverged.first, 0);
  EXPECT_TRUE(matrix_of(again, 0) == matrix_of(before, 0));
  EXPECT_TRUE(matrix_of(again, 3).isZero(0));
}

TYPED_TEST(BatchedPolarTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  const std::vector<OddPolynomial> steps = steps_of_every_degree();
  const auto matrices = reference::gaussian_batch(200, 9, 12, 31);
  set_threads(1);
  InterleavedBatch<T> one = interleaved<T>(matrices);
  ASSERT_TRUE(batched_polar<T>(one, {.steps = steps}).ok());
  for (const int count : {2, 4}) {
    set_threads(count);
    InterleavedBatch<T> many = interleaved<T>(matrices);
    ASSERT_TRUE(batched_polar<T>(many, {.steps = steps}).ok());
    for (Index k = 0; k < many.count(); ++k) {
      ASSERT_TRUE(matrix_of(many, k) == matrix_of(one, k));
    }
  }
  set_threads(0);
}

TYPED_TEST(BatchedPolarTest, EveryInstructionSetAgrees) {
  using T = TypeParam;
  const std::vector<OddPolynomial> steps = steps_of_every_degree();
  const auto matrices = reference::gaussian_batch(20, 6, 11, 41);
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  int targets = 0;
  reference::for_each_target([&](std::int64_t) {
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    ASSERT_TRUE(batched_polar<T>(batch, {.steps = steps}).ok());
    for (Index k = 0; k < batch.count(); ++k) {
      const Matrix<double> exact = twin(matrix_of(before, k), {.steps = steps});
      EXPECT_LE((matrix_of(batch, k) - exact).norm(), tolerance<T>(exact));
    }
    ++targets;
  });
  EXPECT_GE(targets, 1);
}

TEST(BatchedPolar, RefusesLargeMatrices) {
  InterleavedBatch<float> batch(2, 33, 40);
  EXPECT_THROW((void)batched_polar<float>(batch, {}), ShapeError);
  std::vector<float> x(2 * 4 * 65);
  EXPECT_THROW((void)batched_polar<float>(x.data(), 2, 4, 65, {}), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
