#include "muonflow/linalg/odd_polynomial.hpp"

#include <gtest/gtest.h>

namespace muonflow::linalg {
namespace {

TEST(OddPolynomial, ValueAndDerivative) {
  constexpr OddPolynomial p{2, -3, 0.5};  // 2 x - 3 x^3 + x^5 / 2
  static_assert(p.degree() == 5 && p[1] == -3);
  EXPECT_EQ(p(2), 4 - 24 + 16);
  EXPECT_EQ(p(-2), -p(2));
  EXPECT_EQ(p.derivative(2), 2 - 36 + 40);
  EXPECT_EQ(p.derivative(0), 2);
  EXPECT_EQ(OddPolynomial{}(3), 0);
  constexpr OddPolynomial longest{1, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(longest.degree(), 15);
  EXPECT_EQ(longest(2), 2 + 32768);
}

TEST(OddPolynomial, OfAScaledInput) {
  constexpr OddPolynomial p{2, -3, 0.5};
  static_assert(with_scaled_input(p, 4).terms == 3);
  EXPECT_EQ(with_scaled_input(p, 4)(0.25), p(1));  // powers of two: no rounding
  EXPECT_EQ(with_scaled_input(p, 1, 4)(8), p(2));
  EXPECT_EQ(with_scaled_input(p, 3, 3)[2], p[2]);
}

}  // namespace
}  // namespace muonflow::linalg
