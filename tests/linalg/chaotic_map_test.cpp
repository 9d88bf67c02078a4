#include "muonflow/linalg/chaotic_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
class ChaoticMapTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ChaoticMapTest, Scalars);

Matrix<double> twin(const reference::LongSvd& a, const ChaoticMap& options) {
  long double squares = 0;
  for (const long double s : a.s) squares += s * s;
  const long double divisor = std::sqrt(squares) + options.eps;
  return reference::map_singular_values(a, [&](long double s) {
    long double x = s / divisor;
    for (std::int64_t t = 0; t < options.ns_steps; ++t) {
      x = options.gain * x * (1 - x * x) * (1 - x * x);
    }
    return x / options.divisor;
  });
}

// A step rounds X, I - X X^T and its square a few times in every direction: with norms of X, I - A
// and A up to 1.4 and a gain of 4 that is a few dozen roundings of size u sqrt(r), and growth
// bounds what becomes of each of them.
template <class T>
double tolerance(const ChaoticMap& options, Index r) {
  return 12 * rounding_growth(options) * static_cast<double>(std::numeric_limits<T>::epsilon()) *
         std::sqrt(static_cast<double>(r));
}

template <class T>
void expect_like_twin(const Matrix<T>& a, const ChaoticMap& options) {
  Strided<T> x(a, 3);
  Workspace<T> workspace;
  ASSERT_TRUE(chaotic_map<T>(x.ref(), options, workspace).ok());
  const auto decomposed = reference::jacobi_svd(a.template cast<double>());
  EXPECT_LE(reference::distance(x.values().template cast<double>(), twin(decomposed, options)),
            tolerance<T>(options, std::min(a.rows(), a.cols())))
      << a.rows() << "x" << a.cols();
  EXPECT_TRUE(x.gaps_untouched());
}

TYPED_TEST(ChaoticMapTest, AgreesWithItsTwinForEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 41).template cast<T>();
    expect_like_twin<T>(a, {});
    expect_like_twin<T>(a, {.ns_steps = 2, .gain = 3, .divisor = 0.5, .eps = 2});
  }
}

TYPED_TEST(ChaoticMapTest, AgreesWithItsTwinForHardSpectraAndScales) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 30}, {30, 12}, {20, 20}}) {
    const Index r = std::min(m, n);
    std::vector<double> one(static_cast<std::size_t>(r), 0.0);
    one[0] = 2;
    for (const auto& s : {reference::geometric(r, 1e6), one}) {
      const Matrix<double> a = reference::with_spectrum(m, n, s, 42);
      for (const double scale : {1.0, 1e-30, 1e30}) {
        expect_like_twin<T>((scale * a).template cast<T>(), {});
        expect_like_twin<T>((scale * a).template cast<T>(), {.eps = 0});
      }
    }
  }
}

TYPED_TEST(ChaoticMapTest, Equivariance) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<double> u = reference::orthonormal(9, 9, 43);
  const Matrix<double> v = reference::orthonormal(14, 14, 44);
  const Matrix<double> a = reference::gaussian(9, 14, 45);
  Matrix<T> x = a.template cast<T>();
  Matrix<T> turned = (u * a * v).template cast<T>();
  Matrix<T> transposed = a.transpose().template cast<T>();
  Matrix<T> negative = (-a).template cast<T>();
  for (Matrix<T>* m : {&x, &turned, &transposed, &negative}) {
    ASSERT_TRUE(chaotic_map<T>(*m, {}, workspace).ok());
  }
  const double bound = 2 * tolerance<T>({}, 9);
  EXPECT_LE(reference::distance(turned.template cast<double>(), u * x.template cast<double>() * v),
            bound);
  EXPECT_LE((transposed - x.transpose()).norm(), bound);
  EXPECT_TRUE(negative == -x);
}

TYPED_TEST(ChaoticMapTest, ZeroBadInputAndDivergence) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> zero = Matrix<T>::Zero(4, 6);
  EXPECT_TRUE(chaotic_map<T>(zero, {.eps = 0}, workspace).ok());
  EXPECT_TRUE(zero.isZero(0));
  Matrix<T> none(0, 3);
  EXPECT_TRUE(chaotic_map<T>(none, {}, workspace).ok());
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    Matrix<T> x = Matrix<T>::Constant(3, 4, T(0.5));
    x(1, 2) = bad;
    const Outcome outcome = chaotic_map<T>(x, {}, workspace);
    EXPECT_EQ(outcome.status, Status::non_finite_input);
    EXPECT_FALSE(outcome.changed);
    EXPECT_EQ(x(0, 0), T(0.5));
  }
  Matrix<T> x = Matrix<T>::Identity(3, 3);
  const Outcome outcome = chaotic_map<T>(x, {.ns_steps = 40, .gain = 9}, workspace);
  EXPECT_EQ(outcome.status, Status::non_finite_result);
  EXPECT_FALSE(outcome.changed);
  EXPECT_TRUE(x == (Matrix<T>::Identity(3, 3)));
}

TYPED_TEST(ChaoticMapTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> a = reference::gaussian(150, 220, 46).template cast<T>();
  set_threads(1);
  Matrix<T> one = a;
  ASSERT_TRUE(chaotic_map<T>(one, {}, workspace).ok());
  for (const int count : {2, 4}) {
    set_threads(count);
    Matrix<T> many = a;
    ASSERT_TRUE(chaotic_map<T>(many, {}, workspace).ok());
    EXPECT_TRUE(many == one);
  }
  set_threads(0);
}

// An orbit forgets its start: the mean of the logarithm of the slopes is the Lyapunov exponent.
TEST(ChaoticValue, IsChaoticAndBounded) {
  const ChaoticMap one{.ns_steps = 1, .divisor = 1};
  double x = 0.3;
  double exponent = 0;
  constexpr int kSteps = 200000;
  for (int i = 0; i < kSteps; ++i) {
    exponent += std::log(one.gain * std::abs((1 - x * x) * (1 - 5 * x * x)));
    x = chaotic_value(x, one);
    ASSERT_LE(std::abs(x), 1.1736);
  }
  EXPECT_NEAR(exponent / kSteps, 0.888, 0.02);  // a mean over 2e5 points
  EXPECT_LE(chaotic_value(1 / std::sqrt(5.0), {.ns_steps = 1}), 1);
  EXPECT_NEAR(chaotic_value(1e-9, {.divisor = 1}) / 1e-9, std::pow(4.1, 5), 1e-6);
}

TEST(RoundingGrowth, BoundsDifferenceQuotients) {
  const ChaoticMap options;
  const double growth = rounding_growth(options);
  EXPECT_GE(growth, std::pow(4.1, 5) / 1.175);
  for (double x = 0; x < 1; x += 1e-3) {
    for (double y = x + 1e-7; y < 1; y += 0.013) {
      const double fx = chaotic_value(x, options);
      const double fy = chaotic_value(y, options);
      ASSERT_LE(std::abs(fx - fy), growth * (y - x) * (1 + 1e-6));
      ASSERT_LE(std::abs(fx + fy), growth * (y + x) * (1 + 1e-6));
    }
  }
  EXPECT_DOUBLE_EQ(rounding_growth({.ns_steps = 0, .divisor = 2}), 0.5);
}

TEST(ChaoticMapOptions, AreDescribed) {
  ChaoticMap options;
  read(Json::parse(R"({"gain": 4.2, "ns_steps": 3})"), options);
  EXPECT_EQ(options.gain, 4.2);
  EXPECT_EQ(options.ns_steps, 3);
  EXPECT_THROW(read(Json::parse(R"({"divisor": 0})"), options), std::exception);
}

}  // namespace
}  // namespace muonflow::linalg
