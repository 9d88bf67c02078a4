#include "muonflow/linalg/batched/batched_regularized_polar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/regularized_polar.hpp"
#include "tests/linalg/batched/batches.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::interleaved;
using reference::matrix_of;

template <class T>
class BatchedRegularizedPolarTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BatchedRegularizedPolarTest, Scalars);

struct Exact {
  Matrix<double> x;
  double potential = 0;
  double pairing = 0;
};
Exact exact(const Matrix<double>& a, double epsilon) {
  const auto d = reference::jacobi_svd(a);
  Exact result;
  result.x = reference::regularized_polar(d, epsilon);
  for (const long double s : d.s) {
    if (s <= 0) continue;
    const long double q = std::hypot(s, static_cast<long double>(epsilon));
    result.potential += static_cast<double>(s * s / (q + static_cast<long double>(epsilon)));
    result.pairing += static_cast<double>(s * s / q);
  }
  return result;
}

// What the header promises of Gaussian matrices: the error asked for (5e-6) and 8 roundoffs of
// float; in double the condition of the map.
constexpr double kRoundoffs = 8 * 0x1p-24;
template <class T>
double tolerance(const Matrix<double>& a, double epsilon) {
  if (sizeof(T) == sizeof(float)) return 5e-6 + kRoundoffs;
  const auto r = static_cast<double>(std::min(a.rows(), a.cols()));
  return 20 * r * std::numeric_limits<double>::epsilon() * std::max(1.0, a.norm() / epsilon);
}

template <class T>
void expect_exact(const InterleavedBatch<T>& batch, const InterleavedBatch<T>& before,
                  const std::vector<double>& epsilons, const std::vector<double>& potential,
                  const std::vector<double>& pairing) {
  for (Index k = 0; k < batch.count(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    const Matrix<double> a = matrix_of(before, k);
    const Exact wanted = exact(a, epsilons[at]);
    const double allowed = tolerance<T>(a, epsilons[at]);
    EXPECT_LE((matrix_of(batch, k) - wanted.x).norm(), allowed * wanted.x.norm())
        << a.rows() << 'x' << a.cols() << " epsilon " << epsilons[at] << " matrix " << k;
    // A difference quotient of the approximation at its end, where it is steepest.
    EXPECT_NEAR(potential[at], wanted.potential, 5 * allowed * wanted.potential);
    EXPECT_NEAR(pairing[at], wanted.pairing, 2 * allowed * wanted.pairing);
  }
}

TYPED_TEST(BatchedRegularizedPolarTest, ResultPotentialAndPairingOnEveryShape) {
  using T = TypeParam;
  // Relative to the norm: from far above the singular values to below what the fractions serve.
  const std::vector<double> relative{1e6, 30, 1, 0.1, 1e-2, 1e-3, 1e-4, 1e-6};
  for (const auto& [m, n] : reference::tiny_shapes()) {
    const auto matrices = reference::gaussian_batch(m * n > 300 ? 8 : 17, m, n, 101);
    const InterleavedBatch<T> before = interleaved<T>(matrices);
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    std::vector<double> epsilons(matrices.size());
    std::vector<double> potential(matrices.size());
    std::vector<double> pairing(matrices.size());
    for (std::size_t k = 0; k < epsilons.size(); ++k) {
      epsilons[k] = relative[k % relative.size()] * matrices[k].norm();
    }
    ASSERT_TRUE(batched_regularized_polar<T>(batch, {.epsilons = epsilons},
                                             {.potential = potential, .pairing = pairing})
                    .ok());
    expect_exact<T>(batch, before, epsilons, potential, pairing);
  }
}

TYPED_TEST(BatchedRegularizedPolarTest, BothKernelsAgreeAndErrorIsAChoice) {
  using T = TypeParam;
  const auto matrices = reference::gaussian_batch(16, 8, 8, 111);
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  InterleavedBatch<T> rotated = interleaved<T>(matrices);
  ASSERT_TRUE(
      batched_regularized_polar<T>(rotated, {.epsilon = 0.3, .kernel = BatchedKernel::rotations})
          .ok());
  for (const double error : {1e-2, 1e-4, 1e-8}) {
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    ASSERT_TRUE(batched_regularized_polar<T>(batch, {.epsilon = 0.3, .error = error}).ok());
    for (Index k = 0; k < batch.count(); ++k) {
      const double norm = matrix_of(rotated, k).norm();
      const double distance = (matrix_of(batch, k) - matrix_of(rotated, k)).norm();
      EXPECT_LE(distance, (error + kRoundoffs) * norm);
    }
  }
}

TYPED_TEST(BatchedRegularizedPolarTest, RankScaleAndEpsilonZero) {
  using T = TypeParam;
  std::vector<Matrix<double>> matrices{
      Matrix<double>::Zero(5, 7),
      Matrix<double>::Zero(5, 7),
      Matrix<double>::Constant(5, 7, 2.0),
      Matrix<double>::Constant(5, 7, 2.0),
      reference::with_spectrum(5, 7, {1, 1, 0.1, 0, 0}, 3),
      1e-30 * reference::gaussian(5, 7, 4),
      1e30 * reference::gaussian(5, 7, 5),
      1e-30 * reference::gaussian(5, 7, 6),
      1e30 * reference::gaussian(5, 7, 7),
      Matrix<double>::Constant(5, 7, static_cast<double>(std::numeric_limits<T>::denorm_min())),
      reference::gaussian(5, 7, 8),
      reference::gaussian(5, 7, 9)};
  const std::vector<double> epsilons{0.1, 0, 0.1, 0, 1e-2, 1e-31, 1e29, 0, 0, 1e-44, 1e-200, 1e200};
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  InterleavedBatch<T> batch = interleaved<T>(matrices);
  std::vector<double> potential(matrices.size());
  std::vector<double> pairing(matrices.size());
  ASSERT_TRUE(batched_regularized_polar<T>(batch, {.epsilons = epsilons},
                                           {.potential = potential, .pairing = pairing})
                  .ok());
  for (Index k = 0; k < batch.count(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    const Matrix<double> a = matrix_of(before, k);
    Matrix<T> alone = a.cast<T>();
    Workspace<T> workspace;
    const RegularizedPolar wanted = regularized_polar_with_potential<T>(
        alone, epsilons[at], workspace, RegularizedKernel::reference);
    const double condition = epsilons[at] > 0 ? a.norm() / epsilons[at] : 1;
    const double allowed =
        sizeof(T) == 4 ? 5e-6 + kRoundoffs
                       : 200 * std::numeric_limits<T>::epsilon() * std::clamp(condition, 1.0, 1e3);
    EXPECT_LE((matrix_of(batch, k) - alone.template cast<double>()).norm(),
              allowed * static_cast<double>(alone.norm()))
        << k;
    EXPECT_NEAR(potential[at], wanted.potential, 5 * allowed * wanted.potential) << k;
    EXPECT_NEAR(pairing[at], wanted.pairing, 5 * allowed * wanted.pairing) << k;
  }
  EXPECT_TRUE(matrix_of(batch, 0).isZero(0) && matrix_of(batch, 1).isZero(0));
}

// Poles, rotations, sweeps and trouble of the neighbours leave no trace.
TYPED_TEST(BatchedRegularizedPolarTest, NeighboursChangeNoBit) {
  using T = TypeParam;
  auto matrices = reference::gaussian_batch(33, 6, 6, 121);
  std::vector<double> epsilons(matrices.size());
  for (std::size_t k = 0; k < epsilons.size(); ++k) {
    epsilons[k] = std::pow(10.0, -static_cast<double>(k % 8)) * matrices[k].norm();
  }
  matrices[3](1, 1) = std::numeric_limits<double>::quiet_NaN();
  matrices[20](0, 5) = std::numeric_limits<double>::infinity();
  const InterleavedBatch<T> before = interleaved<T>(matrices);
  InterleavedBatch<T> batch = interleaved<T>(matrices);
  std::vector<double> potential(matrices.size());
  std::vector<double> pairing(matrices.size());
  const BatchOutcome outcome = batched_regularized_polar<T>(
      batch, {.epsilons = epsilons}, {.potential = potential, .pairing = pairing});
  EXPECT_EQ(outcome.status, Status::non_finite_input);
  EXPECT_EQ(outcome.failed, 2);
  EXPECT_EQ(outcome.first, 3);
  for (Index k = 0; k < batch.count(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (k == 3 || k == 20) {
      EXPECT_EQ(matrix_of(batch, k)(2, 2), matrix_of(before, k)(2, 2));
      EXPECT_TRUE(std::isnan(potential[at]) && std::isnan(pairing[at]));
      continue;
    }
    InterleavedBatch<T> alone = interleaved<T>({matrices[at]});
    double value[2];
    ASSERT_TRUE(batched_regularized_polar<T>(alone, {.epsilon = epsilons[at]},
                                             {.potential = {value, 1}, .pairing = {value + 1, 1}})
                    .ok());
    EXPECT_TRUE(matrix_of(alone, 0) == matrix_of(batch, k)) << k;
    EXPECT_EQ(value[0], potential[at]);
    EXPECT_EQ(value[1], pairing[at]);
  }
}

TYPED_TEST(BatchedRegularizedPolarTest, ThreadsLayoutsCountsAndInstructionSets) {
  using T = TypeParam;
  for (const Index count : {1, 15, 16, 17, 1000}) {
    const auto matrices = reference::gaussian_batch(count, 9, 4, 131);
    set_threads(1);
    InterleavedBatch<T> one = interleaved<T>(matrices);
    std::vector<T> packed(static_cast<std::size_t>(count * 36));
    one.store(packed.data());
    ASSERT_TRUE(batched_regularized_polar<T>(one, {.epsilon = 0.5}).ok());
    std::vector<T> expected(packed.size());
    one.store(expected.data());
    for (const int threads : {2, 4}) {
      set_threads(threads);
      std::vector<T> many = packed;
      ASSERT_TRUE(batched_regularized_polar<T>(many.data(), count, 9, 4, {.epsilon = 0.5}).ok());
      EXPECT_EQ(many, expected);
    }
    set_threads(0);
    if (count != 17) continue;
    reference::for_each_target([&](std::int64_t target) {
      InterleavedBatch<T> batch = interleaved<T>(matrices);
      ASSERT_TRUE(batched_regularized_polar<T>(batch, {.epsilon = 0.5}).ok());
      for (Index k = 0; k < count; ++k) {
        const Matrix<double> wanted = matrix_of(one, k);
        EXPECT_LE((matrix_of(batch, k) - wanted).norm(),
                  100 * std::numeric_limits<T>::epsilon() * wanted.norm())
            << target;
      }
    });
  }
}

TYPED_TEST(BatchedRegularizedPolarTest, ByACompositionOnThePair) {
  using T = TypeParam;
  // Twelve steps of order 3 converge from 1e-2.
  const std::vector<OddPolynomial> steps(12, OddPolynomial{1.875, -1.25, 0.375});
  for (const auto& [m, n] : {std::pair<Index, Index>{4, 8}, {8, 4}, {5, 5}, {16, 16}}) {
    const auto matrices = reference::gaussian_batch(17, m, n, 141);
    const InterleavedBatch<T> before = interleaved<T>(matrices);
    InterleavedBatch<T> batch = interleaved<T>(matrices);
    std::vector<double> epsilons;
    for (const auto& a : matrices) epsilons.push_back(1e-2 * a.norm());
    ASSERT_TRUE(batched_regularized_polar_by<T>(batch, {.epsilons = epsilons}, steps).ok());
    for (Index k = 0; k < batch.count(); ++k) {
      const Matrix<double> a = matrix_of(before, k);
      const Matrix<double> wanted = exact(a, epsilons[static_cast<std::size_t>(k)]).x;
      // Roundoff over the relative epsilon; on the Gram matrix alone it would be over its square.
      EXPECT_LE((matrix_of(batch, k) - wanted).norm(),
                1e2 * std::numeric_limits<T>::epsilon() * wanted.norm());
    }
  }
}

// Few rows, where another might use closed forms: singular values that coincide, or nearly, or
// vanish, in every order.
TEST(BatchedRegularizedPolar, CoincidingAndVanishingSingularValues) {
  const std::vector<std::vector<double>> spectra{{1, 1, 1},
                                                 {1, 1, 1 - 1e-6},
                                                 {1, 1 - 1e-7, 0.5},
                                                 {1, 0.5, 0.5},
                                                 {1, 0.5, 0.5 - 1e-7},
                                                 {1, 1e-3, 1e-3},
                                                 {1, 1e-5, 0},
                                                 {1, 0, 0},
                                                 {1, 1, 0},
                                                 {1, 1e-4, 1e-4 - 1e-10}};
  for (Index m = 1; m <= 3; ++m) {
    for (const Index n : {m, Index{5}}) {
      for (const double epsilon : {1e-2, 0.3, 10.0, 1e5}) {
        std::vector<Matrix<double>> matrices;
        for (std::size_t k = 0; k < spectra.size(); ++k) {
          const std::vector<double> s(spectra[k].begin(), spectra[k].begin() + m);
          matrices.push_back(reference::with_spectrum(m, n, s, 151 + k));
        }
        matrices.push_back(Matrix<double>::Identity(m, n));
        const InterleavedBatch<float> before = interleaved<float>(matrices);
        InterleavedBatch<float> batch = interleaved<float>(matrices);
        std::vector<double> potential(matrices.size());
        std::vector<double> pairing(matrices.size());
        ASSERT_TRUE(batched_regularized_polar<float>(batch, {.epsilon = epsilon, .error = 1e-7},
                                                     {.potential = potential, .pairing = pairing})
                        .ok());
        for (Index k = 0; k < batch.count(); ++k) {
          const auto at = static_cast<std::size_t>(k);
          const Exact wanted = exact(matrix_of(before, k), epsilon);
          EXPECT_LE((matrix_of(batch, k) - wanted.x).norm(), (1e-7 + kRoundoffs) * wanted.x.norm())
              << m << 'x' << n << " epsilon " << epsilon << " matrix " << k;
          EXPECT_NEAR(potential[at], wanted.potential, (1e-7 + kRoundoffs) * wanted.potential);
          EXPECT_NEAR(pairing[at], wanted.pairing, (1e-7 + kRoundoffs) * wanted.pairing);
        }
      }
    }
  }
}

// What float loses is a rounding of M, whatever the spectrum: the result is the map of M + E. With
// the reduction in double, which a small epsilon or error asks for, not even that.
TEST(BatchedRegularizedPolar, TheReductionIsBackwardStable) {
  for (const Index m : {2, 4, 8, 16, 32}) {
    for (const double least : {1.0, 1e-2, 1e-4, 1e-7}) {
      std::vector<double> s(static_cast<std::size_t>(m));
      for (Index i = 0; i < m; ++i) {
        s[static_cast<std::size_t>(i)] =
            std::pow(least, static_cast<double>(i) / static_cast<double>(m - 1));
      }
      std::vector<Matrix<double>> matrices;
      for (std::uint64_t k = 0; k < 16; ++k) {
        matrices.push_back(reference::with_spectrum(m, m + 3, s, 171 + k));
      }
      const InterleavedBatch<float> before = interleaved<float>(matrices);
      const double norm = matrices[0].norm();
      for (const double relative : {1e-1, 2e-2, 1e-3, 1e-4}) {
        const double epsilon = relative * norm;
        for (const double error : {5e-6, 1e-7}) {
          InterleavedBatch<float> batch = interleaved<float>(matrices);
          ASSERT_TRUE(
              batched_regularized_polar<float>(batch, {.epsilon = epsilon, .error = error}).ok());
          // Its estimate of what the rounding is worth is half of the error at most; the spectra at
          // hand go up to four times of that.
          const double reduction = 2 * error;
          for (Index k = 0; k < batch.count(); ++k) {
            const Matrix<double> wanted = exact(matrix_of(before, k), epsilon).x;
            EXPECT_LE((matrix_of(batch, k) - wanted).norm(),
                      (error + 2 * kRoundoffs + reduction) * wanted.norm())
                << m << " rows, to " << least << ", epsilon " << relative << ", error " << error;
          }
        }
      }
    }
  }
}

// Rows of very different sizes: the reduction leaves a vector alone whose squares are no numbers.
TEST(BatchedRegularizedPolar, RowsFarApart) {
  std::vector<Matrix<double>> matrices = reference::gaussian_batch(16, 6, 9, 191);
  for (std::size_t k = 0; k < matrices.size(); ++k) {
    const auto row = static_cast<Index>(k % 6);
    matrices[k].row(row) *= std::pow(10.0, -2.0 * static_cast<double>(k));
    matrices[k].row((row + 2) % 6) *= 1e-30;
    matrices[k].col(static_cast<Index>(k % 9)) *= 1e-25;
  }
  const InterleavedBatch<float> before = interleaved<float>(matrices);
  InterleavedBatch<float> batch = interleaved<float>(matrices);
  ASSERT_TRUE(batched_regularized_polar<float>(batch, {.epsilon = 0.5}).ok());
  for (Index k = 0; k < batch.count(); ++k) {
    const Matrix<double> wanted = exact(matrix_of(before, k), 0.5).x;
    EXPECT_LE((matrix_of(batch, k) - wanted).norm(), 5e-6 * wanted.norm()) << k;
  }
}

TEST(BatchedRegularizedPolar, RefusesWhatMakesNoSense) {
  InterleavedBatch<float> batch(3, 4, 4);
  std::vector<double> two(2, 1.0);
  std::vector<double> wrong{1.0, -1.0, 1.0};
  EXPECT_THROW((void)batched_regularized_polar<float>(batch, {.epsilon = -1}), ConfigError);
  EXPECT_THROW((void)batched_regularized_polar<float>(batch, {.epsilons = wrong}), ConfigError);
  EXPECT_THROW((void)batched_regularized_polar<float>(batch, {.epsilons = two}), ShapeError);
  EXPECT_THROW((void)batched_regularized_polar<float>(batch, {.epsilon = 1}, {.potential = two}),
               ShapeError);
  InterleavedBatch<float> large(2, 40, 40);
  EXPECT_THROW((void)batched_regularized_polar<float>(large, {.epsilon = 1}), ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg
