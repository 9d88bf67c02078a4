#include "muonflow/nn/smooth_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"

namespace muonflow::nn {
namespace {

// Value and slope in long double, by the definitions.
struct Exact {
  long double value, slope;
};
Exact exact(SmoothMap map, long double x) {
  const long double s = 1 / (1 + std::exp(-x));
  switch (map) {
    case SmoothMap::tanh:
      return {std::tanh(x), 1 / (std::cosh(x) * std::cosh(x))};
    case SmoothMap::softplus:
      return {std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))), s};
    case SmoothMap::sigmoid:
      return {s, s * (1 - s)};
    case SmoothMap::exp:
      return {std::exp(x), std::exp(x)};
    case SmoothMap::identity:
      return {x, 1};
    case SmoothMap::gelu:
      break;
  }
  const long double c = 2 * 0.79788456080286535588L;
  const long double t = 1 / (1 + std::exp(-c * (x + 0.044715L * x * x * x)));
  return {x * t, t + x * t * (1 - t) * c * (1 + 3 * 0.044715L * x * x)};
}

class EverySmoothMap : public testing::TestWithParam<SmoothMap> {
 protected:
  template <class T>
  void follows_definition() const {
    Matrix<T> x(3, 667), slope(3, 667), value(3, 667);
    for (Index i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<T>(-12 + 24 * static_cast<double>(i) / 2000);
    }
    const Matrix<T> before = x;
    value = x;
    smooth_value_and_slope<T>(GetParam(), x, slope);
    smooth_value<T>(GetParam(), value);
    EXPECT_TRUE(x == value);
    // An exponent of up to 90 (gelu) is rounded before it is raised, where e^-90 no longer counts;
    // what counts are exponents up to 12 and a handful of operations.
    const long double tolerance = 30 * static_cast<long double>(std::numeric_limits<T>::epsilon());
    for (Index i = 0; i < x.size(); ++i) {
      const auto at = exact(GetParam(), before.data()[i]);
      EXPECT_NEAR(
          static_cast<double>((x.data()[i] - at.value) / std::max(1.0L, std::abs(at.value))), 0,
          static_cast<double>(tolerance))
          << before.data()[i];
      EXPECT_NEAR(
          static_cast<double>((slope.data()[i] - at.slope) / std::max(1.0L, std::abs(at.slope))), 0,
          static_cast<double>(tolerance))
          << before.data()[i];
    }
  }
};
INSTANTIATE_TEST_SUITE_P(All, EverySmoothMap,
                         testing::Values(SmoothMap::tanh, SmoothMap::gelu, SmoothMap::softplus,
                                         SmoothMap::sigmoid, SmoothMap::exp, SmoothMap::identity),
                         [](const auto& tested) { return std::string(enum_name(tested.param)); });

TEST_P(EverySmoothMap, DoubleIsTheDefinition) { follows_definition<double>(); }
TEST_P(EverySmoothMap, FloatIsTheDefinition) { follows_definition<float>(); }

TEST_P(EverySmoothMap, NotANumberStaysOneAndItsNeighboursDoNotCare) {
  Matrix<double> x(1, 5), slope(1, 5);
  x << 0.5, std::numeric_limits<double>::quiet_NaN(), 0.5, 400, -400;
  smooth_value_and_slope<double>(GetParam(), x, slope);
  EXPECT_TRUE(std::isnan(x(0, 1)));
  EXPECT_EQ(x(0, 0), x(0, 2));
  for (const Index i : {0, 2, 3, 4}) {
    EXPECT_TRUE(std::isfinite(x(0, i)));
    EXPECT_TRUE(std::isfinite(slope(0, i)));
  }
}

// The end of a row goes through the same instructions as its middle.
TEST_P(EverySmoothMap, AValueDoesNotDependOnItsPlace) {
  for (Index cols = 1; cols < 20; ++cols) {
    Matrix<float> x = Matrix<float>::Constant(2, cols, 0.3F), slope(2, cols);
    smooth_value_and_slope<float>(GetParam(), x, slope);
    EXPECT_TRUE((x.array() == x(0, 0)).all());
    EXPECT_TRUE((slope.array() == slope(0, 0)).all());
  }
}

TEST(SmoothMap, RefusesASlopeOfAnotherShape) {
  Matrix<double> x(2, 3), slope(3, 2);
  EXPECT_THROW(smooth_value_and_slope<double>(SmoothMap::tanh, x, slope), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn
