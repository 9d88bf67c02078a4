#include "muonflow/linalg/polar/plain_spectral.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kMapEpsilon = 1e-2;

TEST(PlainRegularizedPolar, EveryRivalComputesTheMap) {
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 30}, {30, 12}, {24, 24}, {4, 8}}) {
    const auto s = reference::geometric(std::min(m, n), 100);
    const Matrix<float> a = reference::with_spectrum(m, n, s, 98).cast<float>();
    const Matrix<double> exact = reference::regularized_polar(a.cast<double>(), kMapEpsilon);
    // Rounding of n terms, enlarged by the map's Lipschitz constant 1 / epsilon.
    const double tolerance = 10 * static_cast<double>(std::max(m, n)) * 1.2e-7 / kMapEpsilon;
    Scratch scratch;
    for (const auto decomposition : {Decomposition::svd, Decomposition::eigh}) {
      Matrix<float> x = a;
      ASSERT_TRUE(plain_regularized_polar(x, kMapEpsilon, decomposition, scratch));
      EXPECT_LE((x.cast<double>() - exact).norm(), tolerance * exact.norm());
    }
    for (const auto library : {ProductLibrary::onednn, ProductLibrary::openblas}) {
      Matrix<float> x = a;
      plain_regularized_polar(x, kMapEpsilon, library, scratch);
      EXPECT_LE((x.cast<double>() - exact).norm(), tolerance * exact.norm());
    }
  }
}

TEST(PlainRegularizedPolar, ZeroStaysZero) {
  Scratch scratch;
  for (const auto decomposition : {Decomposition::svd, Decomposition::eigh}) {
    Matrix<float> x = Matrix<float>::Zero(5, 3);
    ASSERT_TRUE(plain_regularized_polar(x, 0, decomposition, scratch));
    EXPECT_EQ(x.norm(), 0);
  }
}

template <class T>
void expect_inverse_square_root() {
  constexpr Index kSize = 20;
  const Matrix<double> b = reference::gaussian(kSize, 2 * kSize, 99);
  const Matrix<float> a = (b * b.transpose()).cast<float>();
  Scratch scratch;
  Matrix<float> root = a;
  ASSERT_TRUE(plain_inverse_root<T>(root, 2, scratch));
  // The condition of a is about 30; rounding of n terms times it.
  EXPECT_LE((root * root * a - Matrix<float>::Identity(kSize, kSize)).norm(),
            100 * kSize * 1.2e-7F);
}

TEST(PlainInverseRoot, ItsPowerTimesTheMatrixIsTheIdentity) {
  expect_inverse_square_root<float>();
  expect_inverse_square_root<double>();
}

TEST(PlainRegularizedPolar, CountsItsFlops) {
  EXPECT_EQ(plain_regularized_polar_flops(3, 2), 6 * 4 * 3 + 22 * 8);
  EXPECT_EQ(plain_inverse_root_flops(2), 11 * 8);
}

}  // namespace
}  // namespace muonflow::linalg
