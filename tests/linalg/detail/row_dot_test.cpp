#include "muonflow/linalg/detail/row_dot.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <cstddef>
#include <limits>

#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
class RowDotTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RowDotTest, Scalars);

// The order of the header, written out; volatile, so that no compiler fuses a sum and a product.
template <class T>
double by_definition(const Matrix<T>& a, const Matrix<T>& b) {
  std::array<double, 8> sum{};
  for (Index j = 0; j < a.cols(); ++j) {
    const volatile double product = static_cast<double>(a(0, j)) * static_cast<double>(b(0, j));
    sum[static_cast<std::size_t>(j % 8)] += product;
  }
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

TYPED_TEST(RowDotTest, TheSameBitsByEveryInstructionSet) {
  using T = TypeParam;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const Index n : {0, 1, 7, 8, 9, 64, 333}) {
      const Matrix<T> a = reference::gaussian(1, n, 5).template cast<T>();
      const Matrix<T> b = reference::gaussian(1, n, 6).template cast<T>();
      EXPECT_EQ(row_dot(n, a.data(), b.data()), by_definition(a, b))
          << n << " " << hwy::TargetName(target);
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(RowDot, SquaresOfFloatsNeitherOverflowNorVanish) {
  const std::array<float, 2> huge{3e38F, 0};
  EXPECT_EQ(row_dot(2, huge.data(), huge.data()), static_cast<double>(3e38F) * 3e38F);
  const std::array<float, 2> tiny{std::numeric_limits<float>::denorm_min(), 0};
  EXPECT_GT(row_dot(2, tiny.data(), tiny.data()), 0);
}

}  // namespace
}  // namespace muonflow::linalg::detail
