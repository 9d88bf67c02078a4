#include "muonflow/linalg/detail/guarded_norm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace muonflow::linalg::detail {
namespace {

TEST(GuardedNorm, OfAMatrixToIterateOn) {
  Matrix<float> x(1, 2);
  x << 3, -4;
  const GuardedNorm found = guarded_norm<float>(x);
  EXPECT_EQ(found.norm, 5);
  EXPECT_FALSE(found.settled);
}

TEST(GuardedNorm, EmptyAndZeroAreDone) {
  Matrix<double> empty(0, 3);
  EXPECT_TRUE(guarded_norm<double>(empty).settled.value().ok());
  Matrix<double> zero = Matrix<double>::Constant(2, 2, -0.0);
  EXPECT_TRUE(guarded_norm<double>(zero).settled.value().ok());
  EXPECT_FALSE(std::signbit(zero(1, 1)));
}

TEST(GuardedNorm, TellsBadEntriesFromANormOutOfRange) {
  Matrix<double> x = Matrix<double>::Constant(2, 2, std::numeric_limits<double>::max());
  const Matrix<double> given = x;
  const Outcome large = guarded_norm<double>(x).settled.value();
  EXPECT_EQ(large.status, Status::non_finite_result);
  EXPECT_FALSE(large.changed);
  EXPECT_EQ(x, given);
  x(0, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(guarded_norm<double>(x).settled.value().status, Status::non_finite_input);
  EXPECT_EQ(x(1, 1), given(1, 1));
}

}  // namespace
}  // namespace muonflow::linalg::detail
