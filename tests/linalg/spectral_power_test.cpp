#include "muonflow/linalg/spectral_power.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/linalg/roundoff.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;
using PowerMethod = SpectralPowerMethod;
using Normalization = SpectralNormalization;

template <class T>
class SpectralPowerTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SpectralPowerTest, Scalars);

constexpr std::array kPowerMethods{PowerMethod::automatic, PowerMethod::svd, PowerMethod::eigh,
                                   PowerMethod::rational};

Matrix<double> twin(const reference::LongSvd& a, double c, double floor) {
  return reference::map_singular_values(a, [&](long double s) -> long double {
    return s > floor * a.s[0] ? std::pow(s, 1 - 2 * static_cast<long double>(c)) : 0;
  });
}

// One rounding to T, and the decomposition's own: u times the condition k for the SVD, u k^2 for
// the Gram matrix, times the steepness of the power.
template <class T>
double tolerance(PowerMethod method, Index n, double condition, double c) {
  const bool gram = method == PowerMethod::eigh || method == PowerMethod::rational ||
                    (method == PowerMethod::automatic && sizeof(T) == 4);
  // `automatic` leaves the Gram matrix at 1e5.
  const double most = method == PowerMethod::automatic ? 1e5 : condition;
  const double k = gram ? std::min(condition, most) * condition : condition;
  return 2 * kUnitOf<T> +
         16 * std::sqrt(static_cast<double>(n)) * kUnit * k * (1 + 2 * std::abs(c));
}

template <class T>
SpectralPowerReport expect_like_twin(const Matrix<T>& g, const reference::LongSvd& decomposed,
                                     const SpectralPower& options, double condition) {
  Strided<T> x(g, 3);
  Workspace<T> workspace;
  SpectralPowerReport report;
  EXPECT_TRUE(spectral_power<T>(x.ref(), options, workspace, &report).ok());
  const Matrix<double> expected = twin(decomposed, options.c, options.floor.value_or(0));
  EXPECT_LE(reference::distance(x.values().template cast<double>(), expected),
            tolerance<T>(options.method, std::min(g.rows(), g.cols()), condition, options.c) *
                expected.norm())
      << enum_name(options.method) << " " << g.rows() << "x" << g.cols() << " c " << options.c
      << " condition " << condition;
  EXPECT_TRUE(x.gaps_untouched());
  return report;
}

TYPED_TEST(SpectralPowerTest, EveryMethodAgreesWithTheTwinForEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> g = reference::gaussian(m, n, 51).template cast<T>();
    const auto decomposed = reference::jacobi_svd(g.template cast<double>());
    const auto condition = static_cast<double>(decomposed.s.front() / decomposed.s.back());
    for (const double c : {0.25, 0.5, 2.0 / 3.0, 0.75, 1.0}) {
      for (const PowerMethod method : kPowerMethods) {
        expect_like_twin<T>(g, decomposed, {.method = method, .c = c}, condition);
      }
    }
    for (const double c : {-0.5, 0.0, 0.123456, 1.5}) {
      for (const PowerMethod method :
           {PowerMethod::automatic, PowerMethod::svd, PowerMethod::eigh}) {
        expect_like_twin<T>(g, decomposed, {.method = method, .c = c}, condition);
      }
    }
  }
}

TYPED_TEST(SpectralPowerTest, EveryMethodAgreesWithTheTwinForEveryCondition) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 40}, {40, 12}, {24, 24}}) {
    for (const double condition : {1e1, 1e3, 1e4, 1e5, 1e6}) {
      const Matrix<T> g =
          reference::with_spectrum(m, n, reference::geometric(std::min(m, n), condition), 52)
              .template cast<T>();
      const auto decomposed = reference::jacobi_svd(g.template cast<double>());
      // What the rounding to float has made of it.
      const auto true_condition = static_cast<double>(decomposed.s.front() / decomposed.s.back());
      for (const double c : {0.5, 2.0 / 3.0}) {
        for (const PowerMethod method : kPowerMethods) {
          const auto report = expect_like_twin<T>(
              g, decomposed, {.method = method, .c = c, .floor = 1e-8}, true_condition);
          if (method == PowerMethod::rational && condition < 1e6) {
            EXPECT_EQ(report.method, PowerMethod::rational);
          }
        }
      }
    }
  }
}

// Too ill-conditioned for a Gram matrix in double: the SVD takes over, and the report says so.
TEST(SpectralPowerFallback, TheSvdTakesOverWhereTheGramMatrixCannotTell) {
  const Matrix<double> g = reference::with_spectrum(15, 20, reference::geometric(15, 1e9), 63);
  const auto decomposed = reference::jacobi_svd(g);
  Workspace<double> workspace;
  SpectralPowerReport report;
  Matrix<double> x = g;
  ASSERT_TRUE(spectral_power<double>(x,
                                     {.method = PowerMethod::rational, .c = 0.75, .floor = 1e-12},
                                     workspace, &report)
                  .ok());
  EXPECT_EQ(report.method, PowerMethod::svd);
  const Matrix<double> expected = twin(decomposed, 0.75, 0);
  EXPECT_LE(reference::distance(x, expected), 1e9 * 16 * 15 * kUnit * expected.norm());
  // In float by default: above 1e5 of condition.
  Matrix<float> y =
      reference::with_spectrum(15, 20, reference::geometric(15, 3e5), 64).cast<float>();
  Workspace<float> small;
  ASSERT_TRUE(spectral_power<float>(y, {}, small, &report).ok());
  EXPECT_EQ(report.method, PowerMethod::svd);
  y = reference::with_spectrum(15, 20, reference::geometric(15, 1e4), 64).cast<float>();
  ASSERT_TRUE(spectral_power<float>(y, {}, small, &report).ok());
  EXPECT_EQ(report.method, PowerMethod::eigh);
}

// In float, each direction to 1e-5 at s_min / s_max = 1e-4, where fixed tables are off by a
// quarter.
TEST(SpectralPowerAccuracy, EveryDirectionAtARatioOf1em4) {
  const auto values = reference::geometric(20, 1e4);
  const Matrix<float> g = reference::with_spectrum(20, 30, values, 53).cast<float>();
  const auto exact = reference::jacobi_svd(g.cast<double>());
  Workspace<float> workspace;
  for (const PowerMethod method : kPowerMethods) {
    for (const double c : {0.25, 0.5, 0.75}) {
      Matrix<float> x = g;
      ASSERT_TRUE(spectral_power<float>(x, {.method = method, .c = c}, workspace).ok());
      const reference::LongMatrix turned = exact.u.transpose() * x.cast<long double>() * exact.v;
      const long double largest = turned.diagonal().maxCoeff();
      for (Index i = 0; i < 20; ++i) {
        const long double expected =
            std::pow(exact.s[static_cast<std::size_t>(i)], 1 - 2 * static_cast<long double>(c));
        // Rounding of the result to float is relative to its largest value.
        EXPECT_LE(std::abs(turned(i, i) - expected), 1e-5L * expected + 4e-7L * largest)
            << enum_name(method) << " " << c;
      }
    }
  }
}

TYPED_TEST(SpectralPowerTest, RankDeficientFollowsTheSupport) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{9, 15}, {15, 9}, {12, 12}}) {
    std::vector<double> s(static_cast<std::size_t>(std::min(m, n)), 0.0);
    s[0] = 3;
    s[1] = 0.5;
    const Matrix<T> g = reference::with_spectrum(m, n, s, 54).template cast<T>();
    const auto decomposed = reference::jacobi_svd(g.template cast<double>());
    for (const PowerMethod method : kPowerMethods) {
      for (const double c : {0.5, 2.0 / 3.0, 1.0}) {
        const auto report =
            expect_like_twin<T>(g, decomposed, {.method = method, .c = c, .floor = 1e-6}, 6);
        EXPECT_EQ(report.sums.rank, 2);
        EXPECT_EQ(report.sums.count, std::min(m, n));
        EXPECT_EQ(report.method,
                  method == PowerMethod::eigh ? PowerMethod::eigh : PowerMethod::svd);
      }
    }
  }
}

TYPED_TEST(SpectralPowerTest, ReducesToTheIdentityAndToThePolarFactor) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : {std::pair<Index, Index>{8, 20}, {20, 8}}) {
    for (const double last : {0.1, 0.0}) {
      std::vector<double> s = reference::geometric(8, 10);
      s.back() = last;
      const Matrix<T> g = reference::with_spectrum(m, n, s, 55).template cast<T>();
      for (const PowerMethod method :
           {PowerMethod::automatic, PowerMethod::svd, PowerMethod::eigh}) {
        Matrix<T> x = g;
        ASSERT_TRUE(spectral_power<T>(x, {.method = method, .c = 0}, workspace).ok());
        EXPECT_LE((x - g).norm(), 8 * kUnitOf<T> * g.norm());
        Matrix<T> factor = g;
        ASSERT_TRUE(polar<T>(factor, {.method = PolarMethod::svd}, workspace).ok());
        x = g;
        ASSERT_TRUE(spectral_power<T>(x, {.method = method, .c = 0.5}, workspace).ok());
        EXPECT_LE((x - factor).norm(), (sizeof(T) == 4 ? 8 : 2e4) * kUnitOf<T>) << last;
      }
    }
  }
}

TYPED_TEST(SpectralPowerTest, NormalizationsAreTheirFormulas) {
  using T = TypeParam;
  const auto s = reference::geometric(10, 100);
  const Matrix<T> g = reference::with_spectrum(10, 25, s, 56).template cast<T>();
  const auto decomposed = reference::jacobi_svd(g.template cast<double>());
  Workspace<T> workspace;
  for (const double c : {-0.25, 0.0, 0.5, 2.0 / 3.0, 0.75, 1 - 1e-9, 1.0, 1.25}) {
    const double q = 2 * (1 - c);
    long double powers = 0, logs = 0;
    for (const long double value : decomposed.s) {
      powers += std::pow(value, static_cast<long double>(q));
      logs += std::log(value);
    }
    const long double mean =
        q == 0 ? std::exp(logs / 10) : std::pow(powers / 10, (1 - q) / static_cast<long double>(q));
    for (const PowerMethod method : kPowerMethods) {
      if (method == PowerMethod::rational && (c <= 0 || c == 1 - 1e-9 || c == 1.25)) continue;
      Matrix<T> x = g;
      const SpectralPower covariant{
          .method = method, .c = c, .normalization = Normalization::covariant};
      SpectralPowerReport report;
      ASSERT_TRUE(spectral_power<T>(x, covariant, workspace, &report).ok());
      const Matrix<double> expected = static_cast<double>(mean) * twin(decomposed, c, 0);
      const double relative = 4 * kUnitOf<T> + 1e4 * 64 * kUnit;
      // Next to q = 0 the mean is a power of 1 / q: the rounding of q alone is 1e-7.
      const double extra = q != 0 && std::abs(q) < 1e-6 ? 1e-6 : 0;
      EXPECT_LE(reference::distance(x.template cast<double>(), expected),
                (relative + extra) * expected.norm())
          << enum_name(method) << " " << c;
      // <D, G> in the report's units.
      EXPECT_NEAR(report.sums.pairing * std::pow(report.sums.norm, q) / static_cast<double>(powers),
                  1, 1e-6);
      if (q == 0 || std::abs(q) < 1e-6) continue;
      x = g;
      ASSERT_TRUE(
          spectral_power<T>(x, {.method = method, .c = c, .normalization = Normalization::schatten},
                            workspace)
              .ok());
      const long double dual =
          std::pow(powers, (1 - static_cast<long double>(q)) / static_cast<long double>(q));
      const Matrix<double> ball = static_cast<double>(dual) * twin(decomposed, c, 0);
      EXPECT_LE(reference::distance(x.template cast<double>(), ball), relative * ball.norm());
    }
  }
}

// At c = 0 covariant is normalized SGD times sqrt(r); at q > 1 the Schatten point attains the norm.
TYPED_TEST(SpectralPowerTest, NormalizationsInKnownCases) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> g = reference::gaussian(7, 11, 57).template cast<T>();
  Matrix<T> x = g;
  ASSERT_TRUE(
      spectral_power<T>(x, {.c = 0, .normalization = Normalization::covariant}, workspace).ok());
  EXPECT_NEAR(frobenius_norm<T>(x), std::sqrt(7.0), 20 * kUnitOf<T>);
  x = g;
  ASSERT_TRUE(
      spectral_power<T>(x, {.c = 0.5, .normalization = Normalization::schatten}, workspace).ok());
  EXPECT_NEAR(dot<T>(x, g) / nuclear_norm<T>(g), 1, 20 * kUnitOf<T>);
  EXPECT_THROW(
      (void)spectral_power<T>(x, {.c = 1, .normalization = Normalization::schatten}, workspace),
      ConfigError);
  EXPECT_THROW(normalization_factor({.count = 1, .rank = 1, .norm = 1, .pairing = 1}, 1,
                                    Normalization::schatten),
               ConfigError);
}

TYPED_TEST(SpectralPowerTest, ScalesDropOutOrComeOutAsTheirPower) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> g =
      reference::with_spectrum(9, 14, reference::geometric(9, 50), 58).template cast<T>();
  for (const PowerMethod method : kPowerMethods) {
    for (const int power : {-100, 100, sizeof(T) == 4 ? -110 : -900, sizeof(T) == 4 ? 115 : 900}) {
      const Matrix<T> scaled = g.unaryExpr([&](T v) { return std::ldexp(v, power); });
      for (const double c : {0.25, 2.0 / 3.0}) {
        SpectralPower options{.method = method, .c = c, .normalization = Normalization::covariant};
        Matrix<T> x = g;
        Matrix<T> y = scaled;
        ASSERT_TRUE(spectral_power<T>(x, options, workspace).ok());
        ASSERT_TRUE(spectral_power<T>(y, options, workspace).ok());
        EXPECT_LE((x - y).norm(), 1e3 * kUnitOf<T> * x.norm()) << enum_name(method) << power;
        options.normalization = Normalization::none;
        x = g;
        y = scaled;
        ASSERT_TRUE(spectral_power<T>(x, options, workspace).ok());
        ASSERT_TRUE(spectral_power<T>(y, options, workspace).ok());
        const double factor = std::exp2(power * (1 - 2 * c));
        EXPECT_LE((x.template cast<double>() * factor - y.template cast<double>()).norm(),
                  1e3 * kUnitOf<T> * x.template cast<double>().norm() * factor);
      }
    }
    // s^-1 of the smallest numbers is beyond the largest.
    Matrix<T> x = g * std::numeric_limits<T>::min() * T(0.1);
    const Matrix<T> before = x;
    const Outcome outcome = spectral_power<T>(x, {.method = method, .c = 1}, workspace);
    EXPECT_EQ(outcome.status, Status::non_finite_result);
    EXPECT_FALSE(outcome.changed);
    EXPECT_TRUE(x == before);
  }
}

TYPED_TEST(SpectralPowerTest, ZeroAndBadInput) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const PowerMethod method : kPowerMethods) {
    for (const auto kind : {Normalization::none, Normalization::covariant}) {
      Matrix<T> x = Matrix<T>::Zero(4, 6);
      EXPECT_TRUE(
          spectral_power<T>(x, {.method = method, .c = 1, .normalization = kind}, workspace).ok());
      EXPECT_TRUE(x.isZero(0));
    }
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      Matrix<T> x = Matrix<T>::Ones(3, 5);
      x(2, 4) = bad;
      const Outcome outcome = spectral_power<T>(x, {.method = method}, workspace);
      EXPECT_EQ(outcome.status, Status::non_finite_input);
      EXPECT_FALSE(outcome.changed);
      EXPECT_EQ(x(0, 0), T(1));
    }
  }
  Matrix<T> none(0, 3);
  EXPECT_TRUE(spectral_power<T>(none, {}, workspace).ok());
  Matrix<T> x = Matrix<T>::Ones(3, 5);
  EXPECT_THROW((void)spectral_power<T>(x, {.c = std::nan("")}, workspace), ConfigError);
  EXPECT_THROW((void)spectral_power<T>(x, {.floor = 1}, workspace), ConfigError);
  EXPECT_THROW(
      (void)spectral_power<T>(x, {.method = PowerMethod::rational, .c = 0.123456}, workspace),
      ConfigError);
  EXPECT_THROW((void)spectral_power<T>(x, {.method = PowerMethod::rational, .c = -0.5}, workspace),
               ConfigError);
}

TYPED_TEST(SpectralPowerTest, Equivariance) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<double> u = reference::orthonormal(9, 9, 59);
  const Matrix<double> v = reference::orthonormal(14, 14, 60);
  const Matrix<double> g = reference::with_spectrum(9, 14, reference::geometric(9, 30), 61);
  for (const PowerMethod method : kPowerMethods) {
    const SpectralPower options{.method = method, .c = 0.75};
    Matrix<T> x = g.template cast<T>();
    Matrix<T> turned = (u * g * v).template cast<T>();
    Matrix<T> transposed = g.transpose().template cast<T>();
    Matrix<T> negative = (-g).template cast<T>();
    for (Matrix<T>* m : {&x, &turned, &transposed, &negative}) {
      ASSERT_TRUE(spectral_power<T>(*m, options, workspace).ok());
    }
    // The rounding of the turned input, times the condition of the map.
    const double bound = 30 * 30 * kUnitOf<T> * static_cast<double>(x.norm());
    EXPECT_LE(
        reference::distance(turned.template cast<double>(), u * x.template cast<double>() * v),
        bound);
    EXPECT_LE((transposed - x.transpose()).norm(), bound);
    EXPECT_LE((negative + x).norm(), bound);
  }
}

TYPED_TEST(SpectralPowerTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> g = reference::gaussian(120, 250, 62).template cast<T>();
  for (const PowerMethod method : kPowerMethods) {
    const SpectralPower options{.method = method, .normalization = Normalization::covariant};
    set_threads(1);
    Matrix<T> one = g;
    ASSERT_TRUE(spectral_power<T>(one, options, workspace).ok());
    for (const int count : {2, 4}) {
      set_threads(count);
      Matrix<T> many = g;
      ASSERT_TRUE(spectral_power<T>(many, options, workspace).ok());
      EXPECT_TRUE(many == one);
    }
    set_threads(0);
  }
}

TEST(SpectralPowerOptions, AreDescribed) {
  SpectralPower options;
  read(Json::parse(R"({"power_method": "rational", "c": 0.75, "normalization": "schatten",
                       "floor": 1e-7})"),
       options);
  EXPECT_EQ(options.method, PowerMethod::rational);
  EXPECT_EQ(options.c, 0.75);
  EXPECT_EQ(options.normalization, Normalization::schatten);
  EXPECT_EQ(options.floor, 1e-7);
}

}  // namespace
}  // namespace muonflow::linalg
