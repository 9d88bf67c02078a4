#include "muonflow/geometry/nuclear.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::geometry {
namespace {

TEST(Nuclear, ValueIsTheSumOfSingularValues) {
  const Nuclear<double> phi;
  linalg::Workspace<double> workspace;
  const Matrix<double> p = reference::with_spectrum(4, 6, {5, 3, 1, 0.5}, 1);
  EXPECT_NEAR(phi.value(p, workspace), 9.5, 1e-13);
}

TEST(Nuclear, DefaultGradientIsTheExactPolarFactorOnTheSupport) {
  const Nuclear<double> phi;
  linalg::Workspace<double> workspace;
  for (const Index rank : {1, 2, 5}) {
    const Matrix<double> p = reference::gaussian(5, rank, 2) * reference::gaussian(rank, 8, 3);
    Matrix<double> d = p;
    const auto all = phi.value_and_gradient(d, workspace);
    ASSERT_TRUE(all.outcome.ok());
    EXPECT_LE((d - reference::polar(p, 1e-12)).norm(), 1e-12);
    EXPECT_NEAR(d.squaredNorm(), static_cast<double>(rank), 1e-12);
    EXPECT_NEAR(all.pairing, (p.array() * d.array()).sum(), 1e-12);
  }
}

TEST(Nuclear, BatchesAreForPolynomialStepsOnSmallMatrices) {
  EXPECT_TRUE(nuclear::in_batches(32, 64, {}));
  EXPECT_TRUE(nuclear::in_batches(64, 8, {.method = linalg::PolarMethod::polar_express}));
  EXPECT_FALSE(nuclear::in_batches(33, 33, {}));
  EXPECT_FALSE(nuclear::in_batches(4, 65, {}));
  EXPECT_FALSE(nuclear::in_batches(8, 8, {.method = linalg::PolarMethod::svd}));
  EXPECT_FALSE(nuclear::in_batches(8, 8, {.method = linalg::PolarMethod::turbo}));
}

template <class T>
void expect_batch_of_polars(Index count, Index rows, Index cols, const linalg::Polar& polar) {
  linalg::Workspace<T> workspace;
  const Index size = rows * cols;
  const Index stride = size + 3;
  const Matrix<T> given = reference::gaussian(count, stride, 71).template cast<T>();
  Matrix<T> all = given;
  std::vector<Outcome> outcomes(static_cast<std::size_t>(count));
  nuclear::steepest_each<T>({all.data(), count, rows, cols, stride}, polar, outcomes, workspace);
  for (Index i = 0; i < count; ++i) {
    ASSERT_TRUE(outcomes[static_cast<std::size_t>(i)].ok());
    Matrix<T> plain(rows, cols);
    std::copy_n(given.row(i).data(), size, plain.data());
    Matrix<T> alone = plain;
    ASSERT_TRUE(linalg::polar<T>(plain, polar, workspace).ok());
    Outcome outcome;
    nuclear::steepest_each<T>({alone.data(), 1, rows, cols, size}, polar, {&outcome, 1}, workspace);
    ASSERT_TRUE(outcome.ok());
    // The same steps summed in another order, each of which magnifies roundings at most 3.4 times.
    const double tolerance = 1e4 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (Index k = 0; k < size; ++k) {
      ASSERT_NEAR(all(i, k), plain.data()[k], tolerance) << rows << " x " << cols;
      ASSERT_EQ(all(i, k), alone.data()[k]) << "a matrix has the same bits alone";
    }
    for (Index k = size; k < stride; ++k) ASSERT_EQ(all(i, k), given(i, k)) << "gaps stay";
  }
}

TEST(Nuclear, ABatchIsItsMatrices) {
  expect_batch_of_polars<float>(21, 8, 8, {});
  expect_batch_of_polars<float>(3, 32, 20, {.method = linalg::PolarMethod::polar_express});
  expect_batch_of_polars<double>(17, 5, 12, {.eps_mode = linalg::EpsMode::max});
}

TEST(Nuclear, TroubleInABatchConcernsOneMatrix) {
  linalg::Workspace<float> workspace;
  const Matrix<float> good = reference::gaussian(4, 12, 72).cast<float>();
  Matrix<float> bad = good, clean = good;
  bad(2, 5) = std::numeric_limits<float>::quiet_NaN();
  std::vector<Outcome> outcomes(4);
  nuclear::steepest_each<float>({clean.data(), 4, 3, 4, 12}, {}, outcomes, workspace);
  nuclear::steepest_each<float>({bad.data(), 4, 3, 4, 12}, {}, outcomes, workspace);
  for (Index i = 0; i < 4; ++i) {
    const auto& outcome = outcomes[static_cast<std::size_t>(i)];
    if (i == 2) {
      EXPECT_EQ(outcome.status, Status::non_finite_input);
      EXPECT_FALSE(outcome.changed);
      EXPECT_EQ(bad(2, 0), good(2, 0));
    } else {
      EXPECT_TRUE(outcome.ok());
      EXPECT_TRUE(bad.row(i) == clean.row(i));
    }
  }
}

TEST(Nuclear, TheExactDirectionComesWithItsNormAndRank) {
  const auto check = [](auto tag) {
    using T = decltype(tag);
    linalg::Workspace<T> workspace;
    linalg::Workspace<double> in_double;
    for (const Index rank : {0, 1, 3, 5}) {
      const Matrix<double> p = reference::gaussian(5, rank, 2) * reference::gaussian(rank, 8, 3);
      Matrix<T> d = p.cast<T>();
      nuclear::Size size;
      ASSERT_TRUE(nuclear::exact_steepest<T>(d, size, workspace).ok());
      EXPECT_EQ(size.rank, rank);
      const double norm = rank == 0 ? 0 : Nuclear<double>().value(p, in_double);
      // The rounding of the entries of p moves each singular value by that of |p|_F at most.
      const double unit = 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * p.norm();
      EXPECT_NEAR(size.norm, norm, unit);
      EXPECT_NEAR((p.array() * d.template cast<double>().array()).sum(), norm, 8 * unit);
      EXPECT_NEAR(static_cast<double>(d.squaredNorm()), static_cast<double>(rank),
                  40 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    }
  };
  check(float{});
  check(double{});
}

// Scale invariance of degree 0, and homogeneity of degree 1.
TEST(Nuclear, ScaleDropsOutOfTheGradient) {
  const Nuclear<double> phi;
  linalg::Workspace<double> workspace;
  const Matrix<double> p = reference::gaussian(5, 7, 4);
  Matrix<double> d = p;
  ASSERT_TRUE(phi.gradient(d, workspace).ok());
  for (const double scale : {0x1p-300, 0x1p300}) {
    Matrix<double> scaled = scale * p;
    EXPECT_DOUBLE_EQ(phi.value(scaled, workspace), scale * phi.value(p, workspace));
    ASSERT_TRUE(phi.gradient(scaled, workspace).ok());
    EXPECT_TRUE(scaled == d);
  }
}

TEST(Nuclear, ConjugateIsTheIndicatorOfTheOperatorBall) {
  const Nuclear<double> phi;
  linalg::Workspace<double> workspace;
  const Matrix<double> inside = reference::with_spectrum(4, 6, {1, 0.5, 0, 0}, 5);
  EXPECT_EQ(*phi.conjugate(inside, workspace), 0);
  EXPECT_EQ(*phi.conjugate(Matrix<double>(1.0001 * inside), workspace),
            std::numeric_limits<double>::infinity());
}

TEST(Nuclear, AnyPolarMethodServesTheRule) {
  linalg::Workspace<double> workspace;
  const Matrix<double> p = reference::gaussian(6, 9, 6);
  for (const auto method : {linalg::PolarMethod::jordan, linalg::PolarMethod::polar_express}) {
    const linalg::Polar options{.method = method};
    Matrix<double> steepest = p;
    ASSERT_TRUE(nuclear::steepest<double>(steepest, options, workspace).ok());
    Matrix<double> expected = p;
    ASSERT_TRUE(linalg::polar<double>(expected, options, workspace).ok());
    EXPECT_TRUE(steepest == expected);
    const Nuclear<double> phi({.polar = options});
    Matrix<double> d = p;
    const auto all = phi.value_and_gradient(d, workspace);
    ASSERT_TRUE(all.outcome.ok());
    EXPECT_TRUE(d == expected);
    EXPECT_NEAR(all.pairing, (p.array() * d.array()).sum(), 1e-12);
    EXPECT_NEAR(all.value, phi.value(p, workspace), 1e-12);
  }
}

}  // namespace
}  // namespace muonflow::geometry
