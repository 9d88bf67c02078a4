#include "muonflow/linalg/polar/spectral_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

TEST(SpectralMap, AppliesAnyFunction) {
  Scratch scratch;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<double> a = reference::gaussian(m, n, 91);
    reference::Strided<double> x(a, 2);
    const auto cube_root = [](std::span<double> s) {
      for (double& v : s) v = std::cbrt(v);
    };
    ASSERT_TRUE(map_singular_values<double>(x.ref(), cube_root, scratch).ok());
    const Matrix<double> expected =
        reference::map_singular_values(a, [](long double s) { return std::cbrt(s); });
    // A square Gaussian matrix has s_min of about 1 / n; the slope of the root there is below n.
    EXPECT_LE(reference::distance(x.values(), expected),
              1e-15 * 100 * static_cast<double>(std::max(m, n)))
        << m << "x" << n;
    EXPECT_TRUE(x.gaps_untouched());
  }
}

TEST(SpectralMap, IdentityAndZeroInFloat) {
  Scratch scratch;
  const Matrix<float> a = reference::gaussian(20, 30, 92).cast<float>();
  Matrix<float> x = a;
  ASSERT_TRUE(map_singular_values<float>(
                  x, [](std::span<double>) {}, scratch)
                  .ok());
  EXPECT_LE((x - a).norm(), 1e-7f * a.norm());
  const auto zero = [](std::span<double> s) { std::fill(s.begin(), s.end(), 0.0); };
  ASSERT_TRUE(map_singular_values<float>(x, zero, scratch).ok());
  EXPECT_TRUE(x.isZero(0));
}

TEST(SpectralMap, ABadFunctionLeavesTheInputAlone) {
  Scratch scratch;
  const Matrix<float> a = reference::gaussian(5, 6, 93).cast<float>();
  Matrix<float> x = a;
  const auto bad = [](std::span<double> s) { s[1] = std::numeric_limits<double>::infinity(); };
  const Outcome outcome = map_singular_values<float>(x, bad, scratch);
  EXPECT_EQ(outcome.status, Status::non_finite_result);
  EXPECT_FALSE(outcome.changed);
  EXPECT_TRUE(x == a);
}

}  // namespace
}  // namespace muonflow::linalg
