#include "muonflow/linalg/roots/coupled_root.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/reference/symmetric.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class CoupledRoot : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CoupledRoot, Scalars);

// Condition times roundoff, over p, a few roundings a step.
TYPED_TEST(CoupledRoot, ConvergesToTheRootInEitherType) {
  using T = TypeParam;
  Scratch scratch;
  constexpr double kCondition = 100;
  for (const Index n : {1, 6, 50, 70}) {
    const Matrix<double> a = reference::with_eigenvalues(reference::geometric(n, kCondition), 3)
                                 .template cast<T>()
                                 .template cast<double>();
    const auto decomposed = reference::jacobi_svd(a);
    for (const int p : {2, 3, 4, 7}) {
      const Matrix<double> exact = reference::map_eigenvalues(
          decomposed, [&](long double x) { return std::pow(x, -1.0L / p); });
      for (const auto family : {RootFamily::polynomial, RootFamily::rational}) {
        Matrix<T> m = a.template cast<T>();
        Matrix<T> root(n, n);
        const auto steps = root_steps(p, 0.99 / kCondition, 1.01, 1e-15, family);
        ASSERT_TRUE(coupled_root<T>(m, p, steps, root, scratch));
        EXPECT_LE(
            reference::distance(root.template cast<double>(), exact),
            8 * kCondition * static_cast<double>(std::numeric_limits<T>::epsilon()) * exact.norm())
            << n << " p " << p;
        EXPECT_TRUE(root == root.transpose());
      }
    }
  }
}

// The same factors straight onto a rectangle; every direction relative to the largest of the
// result.
TYPED_TEST(CoupledRoot, PowersOfTheRootTimesAMatrix) {
  using T = TypeParam;
  Scratch scratch;
  const Matrix<double> a = reference::with_eigenvalues(reference::geometric(20, 50), 5)
                               .template cast<T>()
                               .template cast<double>();
  const Matrix<double> x =
      reference::gaussian(20, 33, 6).template cast<T>().template cast<double>();
  for (const auto& [over, under] : {std::pair<int, int>{1, 2}, {3, 4}, {2, 3}, {4, 6}}) {
    const Matrix<double> power =
        reference::map_eigenvalues(a, [&, p = over, q = under](long double v) {
          return std::pow(v, -static_cast<long double>(p) / q);
        });
    const Matrix<double> exact = power * x;
    for (const auto family : {RootFamily::polynomial, RootFamily::rational}) {
      Matrix<T> m = a.template cast<T>();
      Matrix<T> y = x.template cast<T>();
      const auto steps = root_steps(under, 0.99 / 50, 1.01, 1e-15, family);
      ASSERT_TRUE(coupled_power<T>(m, over, under, steps, y, scratch));
      EXPECT_LE(reference::distance(y.template cast<double>(), exact),
                16 * 50 * static_cast<double>(std::numeric_limits<T>::epsilon()) * exact.norm());
    }
  }
}

TYPED_TEST(CoupledRoot, PowersBySquaring) {
  using T = TypeParam;
  Scratch scratch;
  const Matrix<T> a = reference::with_eigenvalues({1, 0.5, 0.25, -1}, 4).template cast<T>();
  for (int p = 1; p <= 16; ++p) {
    Matrix<T> power(4, 4);
    symmetric_power<T>(a, p, power, scratch);
    Matrix<double> expected = Matrix<double>::Identity(4, 4);
    for (int k = 0; k < p; ++k) expected = expected * a.template cast<double>();
    EXPECT_LE(reference::distance(power.template cast<double>(), expected),
              8 * p * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

TYPED_TEST(CoupledRoot, SaysWhereAnInverseDoesNotExist) {
  using T = TypeParam;
  Scratch scratch;
  Matrix<T> m = Matrix<T>::Identity(3, 3);
  m(1, 1) = -1;
  Matrix<T> root(3, 3);
  const auto steps = root_steps(2, 1e-4, 1, 1e-9, RootFamily::rational);
  EXPECT_FALSE(coupled_root<T>(m, 2, steps, root, scratch));
}

}  // namespace
}  // namespace muonflow::linalg
