#include "muonflow/linalg/roots/root_interval.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/reference/symmetric.hpp"

namespace muonflow::linalg {
namespace {

TEST(RootInterval, HoldsTheEigenvaluesAndIsAtMostNTimesTooWide) {
  for (const Index n : {1, 2, 9, 60}) {
    for (const double condition : {1.0, 1e3, 1e9}) {
      Matrix<double> a = reference::with_eigenvalues(reference::geometric(n, condition), 8);
      const double least = n == 1 ? 1 : 1 / condition;
      const auto interval = root_interval(a, 1e-14);
      ASSERT_TRUE(interval.has_value());
      EXPECT_LE(interval->lower, least);
      EXPECT_GE(interval->lower, 0.99 * least / static_cast<double>(n));
      EXPECT_GE(interval->upper, 1 - 1e-12);
      EXPECT_LE(interval->upper, 1.01 * std::sqrt(static_cast<double>(n)));
      double log_determinant = 0;
      for (const double value : reference::geometric(n, condition))
        log_determinant += std::log(value);
      EXPECT_NEAR(interval->log_determinant, log_determinant, 1e-5);  // u times the condition
    }
  }
}

TEST(RootInterval, NoneForWhatIsNotDefiniteEnough) {
  Matrix<double> singular = reference::with_eigenvalues({1, 1e-3, 0}, 9);
  singular.diagonal().array() -= 1e-15;
  EXPECT_FALSE(root_interval(singular, 1e-14).has_value());
  Matrix<double> indefinite = reference::with_eigenvalues({1, 1e-3, -0.1}, 9);
  EXPECT_FALSE(root_interval(indefinite, 0).has_value());
  Matrix<double> small = reference::with_eigenvalues({1, 0.5, 1e-6}, 9);
  EXPECT_FALSE(root_interval(small, 1e-5).has_value());
  Matrix<double> zero = Matrix<double>::Zero(2, 2);
  EXPECT_FALSE(root_interval(zero, 0).has_value());
  Matrix<double> none(0, 0);
  EXPECT_FALSE(root_interval(none, 0).has_value());
}

}  // namespace
}  // namespace muonflow::linalg
