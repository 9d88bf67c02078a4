#include "muonflow/linalg/detail/panel_vector.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/linalg/detail/panel_packing.hpp"
#include "muonflow/linalg/detail/panel_product.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
class PanelVectorTest : public ::testing::Test {
 protected:
  // A positive semidefinite matrix with these eigenvalues, in panels.
  Panels<T> with_eigenvalues(const std::vector<double>& eigenvalues) {
    const auto n = static_cast<Index>(eigenvalues.size());
    std::vector<double> roots;
    for (const double v : eigenvalues) roots.push_back(std::sqrt(v));
    const Matrix<double> x = reference::with_spectrum(n, n, roots, 7);
    matrix = (x * x.transpose()).template cast<T>();
    matrix = Matrix<T>((matrix + matrix.transpose()) / T(2));
    const auto panels = take_panels<T>(frame, n, n);
    pack_rows<T>(matrix, 1.0, panels);
    return panels;
  }

  Matrix<T> unpacked(const Panels<T>& p) const {
    Matrix<T> x(p.rows, p.depth);
    for (Index i = 0; i < p.rows; ++i) {
      const Index at = i / Panels<T>::kWidth;
      for (Index k = 0; k < p.depth; ++k) {
        x(i, k) = p.panel(at)[k * p.width(at) + i - at * Panels<T>::kWidth];
      }
    }
    return x;
  }

  Scratch scratch;
  Scratch::Frame frame{scratch};
  Matrix<T> matrix;
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PanelVectorTest, Scalars);

TYPED_TEST(PanelVectorTest, AffineScalesAndShiftsTheDiagonal) {
  using T = TypeParam;
  const auto a = this->with_eigenvalues(reference::geometric(53, 10));
  const auto to = take_panels<T>(this->frame, 53, 53);
  affine(a, T(2), T(-3), to);
  EXPECT_TRUE(this->unpacked(to) ==
              Matrix<T>(T(2) * this->matrix - T(3) * Matrix<T>::Identity(53, 53)));
  affine(a, T(0.5), T(0), a);  // in place
  EXPECT_TRUE(this->unpacked(a) == Matrix<T>(T(0.5) * this->matrix));
}

TYPED_TEST(PanelVectorTest, OneBadEntryIsFound) {
  using T = TypeParam;
  const auto a = this->with_eigenvalues(reference::geometric(53, 10));
  EXPECT_TRUE(all_finite(a));
  a.panel(1)[17] = std::numeric_limits<T>::infinity();
  EXPECT_FALSE(all_finite(a));
  a.panel(1)[17] = std::numeric_limits<T>::quiet_NaN();
  EXPECT_FALSE(all_finite(a));
}

// Estimate from below within a factor of two, bound from above within the root of the size.
TYPED_TEST(PanelVectorTest, TheLargestEigenvalueIsEstimatedAndBounded) {
  using T = TypeParam;
  for (const Index n : {1, 16, 60, 97}) {
    for (const double condition : {1.0, 1e2, 1e6}) {
      auto eigenvalues = reference::geometric(n, condition);
      for (double& v : eigenvalues) v *= 5;
      const auto a = this->with_eigenvalues(eigenvalues);
      std::vector<T> vectors(static_cast<std::size_t>(2 * Panels<T>::padded(n)));
      std::vector<T> sums(static_cast<std::size_t>(Panels<T>::padded(n)));
      const double estimate = largest_eigenvalue(a, std::span<T>(vectors));
      EXPECT_GE(estimate, 2.5) << n << " " << condition;
      EXPECT_LE(estimate, 5 * (1 + 1e-4));
      const double bound = norm_bound(a, std::span<T>(sums));
      EXPECT_GE(bound, 5 * (1 - 1e-6));
      EXPECT_LE(bound, 5.01 * std::sqrt(static_cast<double>(n)));
    }
  }
}

TYPED_TEST(PanelVectorTest, SumsAndScalings) {
  using T = TypeParam;
  const Index n = 53;
  const auto a = this->with_eigenvalues(reference::geometric(n, 100));
  const Matrix<double> x = this->matrix.template cast<double>();
  const double roundoff = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());
  std::vector<T> sums(static_cast<std::size_t>(Panels<T>::padded(n)));
  absolute_row_sums(a, std::span<T>(sums));
  for (Index i = 0; i < n; ++i) {
    EXPECT_NEAR(static_cast<double>(sums[static_cast<std::size_t>(i)]), x.row(i).cwiseAbs().sum(),
                roundoff);
  }
  EXPECT_NEAR(trace(a), x.trace(), 1e-12 * n);
  EXPECT_NEAR(inner_product(a, a), x.squaredNorm(), 1e-12 * n);
  std::vector<T> factors(static_cast<std::size_t>(Panels<T>::padded(n)), T(0));
  for (Index i = 0; i < n; ++i) factors[static_cast<std::size_t>(i)] = static_cast<T>(1 + i % 4);
  Matrix<T> expected = this->matrix;
  for (Index i = 0; i < n; ++i) expected.row(i) *= static_cast<T>(1 + i % 4);
  scale_lanes(a, std::span<T>(factors));
  EXPECT_TRUE(this->unpacked(a) == expected);
  for (Index i = 0; i < n; ++i) expected.col(i) *= static_cast<T>(1 + i % 4);
  scale_depth(a, std::span<T>(factors));
  EXPECT_TRUE(this->unpacked(a) == expected);
}

}  // namespace
}  // namespace muonflow::linalg::detail
