#include "muonflow/nn/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

constexpr double kRootTwoOverPi = 0.79788456080286535588;

// The definitions in long double, written so that they do not cancel for negative x.
double exact_value(Activation kind, double at) {
  const long double x = at;
  if (kind == Activation::gelu_erf) {
    return static_cast<double>(x * std::erfc(-x / std::numbers::sqrt2_v<long double>) / 2);
  }
  const long double u = static_cast<long double>(kRootTwoOverPi) * (x + 0.044715L * x * x * x);
  return static_cast<double>(x / (1 + std::exp(-2 * u)));
}

template <class T>
Matrix<T> grid(double from, double to, Index count) {
  Matrix<T> x(1, count);
  for (Index i = 0; i < count; ++i) {
    x(0, i) = static_cast<T>(from +
                             (to - from) * static_cast<double>(i) / static_cast<double>(count - 1));
  }
  return x;
}

class EveryActivation : public testing::TestWithParam<Activation> {};
INSTANTIATE_TEST_SUITE_P(Both, EveryActivation,
                         testing::Values(Activation::gelu_tanh, Activation::gelu_erf),
                         [](const auto& tested) { return std::string(enum_name(tested.param)); });

TEST_P(EveryActivation, DoubleIsTheDefinition) {
  const auto x = grid<double>(-12, 12, 5001);
  Matrix<double> y(1, x.cols());
  activation_forward<double>(GetParam(), x, y);
  for (Index i = 0; i < x.cols(); ++i) {
    const double exact = exact_value(GetParam(), x(0, i));
    // Near x = -12 the exponent is about -70 (erf) or -80 (tanh) and its rounding is multiplied.
    EXPECT_NEAR(y(0, i), exact, 300 * std::numeric_limits<double>::epsilon() * std::abs(exact));
  }
}

TEST_P(EveryActivation, FloatIsAccurateRelativeToTheExactValue) {
  const auto x = grid<float>(-5, 12, 20001);
  Matrix<float> y(1, x.cols());
  activation_forward<float>(GetParam(), x, y);
  for (Index i = 0; i < x.cols(); ++i) {
    const double exact = exact_value(GetParam(), static_cast<double>(x(0, i)));
    // Rounding of exponents up to 13 (x = -5), plus a handful of operations.
    EXPECT_NEAR(static_cast<double>(y(0, i)), exact,
                20 * std::numeric_limits<float>::epsilon() * std::abs(exact))
        << x(0, i);
  }
}

TEST_P(EveryActivation, FarOutItIsZeroOrTheIdentity) {
  Matrix<float> x(1, 4), y(1, 4);
  x << -1e4f, -40.0f, 40.0f, 1e4f;
  activation_forward<float>(GetParam(), x, y);
  EXPECT_EQ(y(0, 0), 0.0f);
  EXPECT_EQ(y(0, 1), 0.0f);
  EXPECT_EQ(y(0, 2), 40.0f);
  EXPECT_EQ(y(0, 3), 1e4f);
  Matrix<float> slope = Matrix<float>::Ones(1, 4);
  activation_backward<float>(GetParam(), x, slope);
  EXPECT_EQ(slope(0, 0), 0.0f);
  EXPECT_EQ(slope(0, 3), 1.0f);
}

TEST_P(EveryActivation, NotANumberStaysNotANumber) {
  const Matrix<float> x = Matrix<float>::Constant(1, 17, std::numeric_limits<float>::quiet_NaN());
  Matrix<float> y(1, 17);
  activation_forward<float>(GetParam(), x, y);
  for (Index i = 0; i < 17; ++i) EXPECT_TRUE(std::isnan(y(0, i)));
}

TEST_P(EveryActivation, BackwardIsTheDerivative) {
  auto x = test::random_matrix<double>(3, 21, 1, 2.0);
  const auto dy = test::random_matrix<double>(3, 21, 2);
  Matrix<double> dx = dy, y(3, 21);
  activation_backward<double>(GetParam(), x, dx);
  test::expect_gradient("x", test::span_of(x), test::span_of(dx), [&] {
    activation_forward<double>(GetParam(), x, y);
    return test::inner_product(y, dy);
  });
}

TEST_P(EveryActivation, FloatDerivativeAgreesWithDouble) {
  const auto x = grid<float>(-9, 9, 5001);
  const Matrix<double> wide = x.cast<double>();
  Matrix<float> slope = Matrix<float>::Ones(1, x.cols());
  Matrix<double> exact = Matrix<double>::Ones(1, x.cols());
  activation_backward<float>(GetParam(), x, slope);
  activation_backward<double>(GetParam(), wide, exact);
  // Slopes are of order one and so are the sums they come from.
  EXPECT_LE((slope.cast<double>() - exact).cwiseAbs().maxCoeff(),
            8.0 * std::numeric_limits<float>::epsilon());
}

// The end of a row goes through the same arithmetic as its middle.
TEST_P(EveryActivation, PlaceInTheRowChangesNoBit) {
  const auto x = test::random_matrix<float>(1, 67, 3);
  Matrix<float> whole(1, 67);
  activation_forward<float>(GetParam(), x, whole);
  for (Index i = 0; i < 67; ++i) {
    Matrix<float> one(1, 1);
    activation_forward<float>(GetParam(), x.middleCols(i, 1), one);
    EXPECT_EQ(one(0, 0), whole(0, i));
  }
}

TEST_P(EveryActivation, ThreadsChangeNoBit) {
  const auto x = test::random_matrix<float>(700, 70, 3);
  test::expect_same_bits([&] {
    Matrix<float> y(700, 70);
    activation_forward<float>(GetParam(), x, y);
    return y;
  });
}

TEST(Activation, RefusesShapesThatDoNotFit) {
  const Matrix<double> x = Matrix<double>::Zero(2, 3);
  Matrix<double> y(3, 2);
  EXPECT_THROW(activation_forward<double>(Activation::gelu_tanh, x, y), ShapeError);
  EXPECT_THROW(activation_backward<double>(Activation::gelu_tanh, x, y), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn
