#include "muonflow/linalg/roots/root_steps.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::linalg {
namespace {

// The product of the factors for one eigenvalue; its ideal is lambda^(-1/p).
template <class Steps>
long double product_of(const Steps& steps, double p, long double t) {
  long double product = 1;
  for (const RootStep& s : steps) {
    const long double w = (s.alpha + t * (s.beta + t * s.delta)) / (1 + s.gamma * t);
    product *= w;
    t *= std::pow(w, static_cast<long double>(p));
  }
  return product;
}

template <class Steps>
double worst_error(const Steps& steps, double p, double lower, double upper) {
  constexpr int kPoints = 400;
  long double worst = 0;
  for (int i = 0; i <= kPoints; ++i) {
    const long double t = lower * std::pow(static_cast<long double>(upper) / lower,
                                           static_cast<long double>(i) / kPoints);
    worst = std::max(worst, std::abs(1 - product_of(steps, p, t) *
                                             std::pow(t, 1 / static_cast<long double>(p))));
  }
  return static_cast<double>(worst);
}

TEST(RootSteps, TheErrorIsWhatTheStepsSay) {
  Rng rng(1, 5);
  for (int i = 0; i < 24; ++i) {
    const double p = 2 + static_cast<double>(rng.below(7));
    const double decades = 14 * rng.uniform();
    const double lower = std::pow(10.0, 10 * rng.uniform() - 5);
    const double upper = lower * std::pow(10.0, decades);
    for (const auto family : {RootFamily::polynomial, RootFamily::rational}) {
      const auto steps = root_steps(p, lower, upper, 1e-15, family);
      EXPECT_LE(steps.back().error, 1e-15);
      EXPECT_LE(steps.size(), family == RootFamily::rational ? 6U : 16U);
      for (std::size_t k = 1; k <= steps.size(); ++k) {
        const std::vector<RootStep> first(steps.begin(), steps.begin() + static_cast<long>(k));
        // Coefficients are rounded to double, and so is what the steps before leave.
        EXPECT_LE(worst_error(first, p, lower, upper), steps[k - 1].error * (1 + 1e-6) + 1e-14)
            << "p " << p << " decades " << decades << " step " << k;
      }
    }
  }
}

// No constants of the family can do better than extrema of equal size: all are attained.
TEST(RootSteps, ExtremaAreEqual) {
  for (const double p : {2.0, 3.0, 4.0, 8.0}) {
    const auto steps = root_steps(p, 1e-8, 1, 1e-9, RootFamily::rational);
    const RootStep& s = steps.front();
    int extrema = 0;
    double before = 0, now = 0;
    for (double v = -8; v <= 0; v += 1e-4) {
      const double t = std::pow(10.0, v);
      const double next = std::pow(t, 1 / p) * s(t);
      if ((now - before) * (next - now) < 0) {
        EXPECT_NEAR(std::abs(now - 1), s.error, 1e-6) << p;
        ++extrema;
      }
      before = now;
      now = next;
    }
    EXPECT_EQ(extrema, 2);
    EXPECT_NEAR(std::abs(std::pow(1e-8, 1 / p) * s(1e-8) - 1), s.error, 1e-8);
    EXPECT_NEAR(std::abs(s(1) - 1), s.error, 1e-8);
  }
}

// QDWH's closed form (Nakatsukasa, Bai, Gygi 2010) has its largest value at 1; ours, with the
// middle of the extrema at 1, is a multiple of it.
TEST(RootSteps, SquareRootsAreQdwh) {
  for (const double l : {1e-6, 1e-3, 0.1, 0.5}) {
    const double d = std::cbrt(4 * (1 - l * l) / (l * l * l * l));
    const double a = std::sqrt(1 + d) +
                     0.5 * std::sqrt(8 - 4 * d + 8 * (2 - l * l) / (l * l * std::sqrt(1 + d)));
    const double b = (a - 1) * (a - 1) / 4;
    const double c = a + b - 1;
    const RootStep s = root_steps(2, l * l, 1, 1e-15, RootFamily::rational).front();
    EXPECT_NEAR(s.gamma / c, 1, 1e-6) << l;
    EXPECT_NEAR(s.beta / s.alpha * a / b, 1, 1e-6) << l;
    EXPECT_NEAR(s(1) / (1 + s.error), 1, 1e-12);
  }
}

// The quintic of least error on [1e-3, 1], as arXiv:2505.16932's generator finds it without its
// cushion, to the digits known.
TEST(RootSteps, PolynomialSquareRootsAreThePolarExpress) {
  const RootStep s = root_steps(2, 1e-6, 1, 1e-15, RootFamily::polynomial).front();
  EXPECT_NEAR(s.alpha, 8.4703, 1e-4);
  EXPECT_NEAR(s.beta, -25.1081, 1e-4);
  EXPECT_NEAR(s.delta, 18.6293, 1e-4);
  EXPECT_EQ(s.gamma, 0);
}

// Published third-party coefficients for (G G^T)^(-1/4), five steps, hold for singular values in
// [1e-2, 1] and fail below; for p = 4 the eigenvalues are the squares of those.
TEST(RootSteps, HoldWhereFixedTablesFail) {
  constexpr std::array<RootStep, 5> kTable{{{3.168523, 9.045696, 9.271302},
                                            {5.969065, 95.335812, 102.645546},
                                            {9.223686, 31.968272, 40.960691},
                                            {12.054078, 32.342112, 43.415815},
                                            {12.046803, 32.472646, 43.519467}}};
  EXPECT_LT(worst_error(kTable, 4, 1e-4, 1), 1e-5);
  EXPECT_NEAR(worst_error(kTable, 4, 1e-8, 1), 0.27, 0.02);
  EXPECT_GT(worst_error(kTable, 4, 1e-12, 1), 1);
  for (const double lower : {1e-4, 1e-8, 1e-12}) {
    const auto steps = root_steps(4, lower, 1, 1e-9, RootFamily::rational);
    EXPECT_LE(steps.size(), 5U);
    EXPECT_LT(worst_error(steps, 4, lower, 1), 1e-9);
  }
}

TEST(RootSteps, OneEigenvalueTakesOneStep) {
  for (const auto family : {RootFamily::polynomial, RootFamily::rational}) {
    const auto steps = root_steps(3, 1e20, 1e20, 1e-15, family);
    EXPECT_EQ(steps.size(), 1U);
    EXPECT_LT(worst_error(steps, 3, 1e20, 1e20), 1e-14);
  }
}

TEST(RootSteps, RefusesWhatIsNoInterval) {
  const auto family = RootFamily::rational;
  EXPECT_THROW(root_steps(2, 0, 1, 1e-9, family), ConfigError);
  EXPECT_THROW(root_steps(2, 2, 1, 1e-9, family), ConfigError);
  EXPECT_THROW(root_steps(2, 1, INFINITY, 1e-9, family), ConfigError);
  EXPECT_THROW(root_steps(2, std::nan(""), 1, 1e-9, family), ConfigError);
  EXPECT_THROW(root_steps(1, 0.1, 1, 1e-9, family), ConfigError);
  EXPECT_THROW(root_steps(2, 0.1, 1, 0, family), ConfigError);
}

}  // namespace
}  // namespace muonflow::linalg
