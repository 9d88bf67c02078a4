#include "muonflow/linalg/minimax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/coefficients.hpp"

namespace muonflow::linalg {
namespace {

// As printed tables are compared: ten digits of every coefficient.
void expect_ten_digits(const OddPolynomial& p, const OddPolynomial& published) {
  ASSERT_EQ(p.terms, published.terms);
  for (std::size_t k = 0; k < p.terms; ++k) {
    EXPECT_NEAR(p[k], published[k], 5e-11 * std::abs(published[k])) << "coefficient " << k;
  }
}

TEST(Generate, ReproducesThePublishedPolarExpressTable) {
  const auto steps = generate({.lower = 1e-3, .steps = 8, .safety = 1});
  ASSERT_EQ(steps.size(), 8u);
  // (The seventh was published with the noise of double arithmetic on an interval of half-width
  // 1.2e-3, which leaves eleven of its digits.)
  for (std::size_t t = 0; t < 7; ++t) expect_ten_digits(steps[t], kPolarExpress[t]);
  expect_ten_digits(steps[7], kClassic);
}

TEST(Generate, ReproducesTheTableOfDion) {
  const auto steps = generate({.lower = 1e-3, .steps = 5, .safety = 1.02, .cushion = 0.02});
  for (std::size_t t = 0; t < 5; ++t) expect_ten_digits(steps[t], kPolarExpressDion[t]);
}

TEST(Generate, WithoutCushionTheFirstStepIsSteeper) {
  const auto steps = generate({.steps = 1, .safety = 1, .cushion = 0});
  EXPECT_NEAR(steps[0][0], 8.4703, 5e-5);
  EXPECT_NEAR(steps[0][1], -25.1081, 5e-5);
  EXPECT_NEAR(steps[0][2], 18.6293, 5e-5);
}

// The closed form of the optimal cubic, in long double.
struct ClosedCubic {
  long double a, b, delta;
};
ClosedCubic closed_cubic(long double l, long double u) {
  const long double e = (l * l + l * u + u * u) / 3;
  const long double k = 2 * e * std::sqrt(e);
  const long double c = l * u * (l + u);
  return {6 * e / (k + c), -2 / (k + c), (k - c) / (k + c)};
}

TEST(Minimax, ReproducesTheClosedFormOfTheCubic) {
  for (const auto& [l, u] : {std::pair{1e-3, 1.0},
                             {1e-12, 1.0},
                             {0.3, 1.7},
                             {0.9, 1.1},
                             {5.0, 7.0},
                             {0.999999, 1.000001}}) {
    const Minimax m = minimax(l, u, 3);
    const ClosedCubic exact = closed_cubic(l, u);
    EXPECT_NEAR(m.polynomial[0], static_cast<double>(exact.a), 1e-14 * std::abs(m.polynomial[0]));
    EXPECT_NEAR(m.polynomial[1], static_cast<double>(exact.b), 1e-14 * std::abs(m.polynomial[1]));
    EXPECT_NEAR(m.error, static_cast<double>(exact.delta),
                1e-10 * m.error + 1e-19);  // delta itself cancels in long double
  }
}

TEST(Generate, CubicErrorsStepByStep) {
  // Published to the digits given.
  const std::vector<std::pair<double, double>> expected{
      {.9948, 5e-5}, {.9866, 5e-5}, {.9657, 5e-5},  {.9140, 5e-5},  {.7956, 5e-5},   {.5681, 5e-5},
      {.2651, 5e-5}, {.0537, 5e-5}, {2.2e-3, 5e-5}, {3.5e-6, 5e-8}, {9.3e-12, 5e-14}};
  const auto steps = generate({.degree = 3, .steps = 11, .safety = 1, .cushion = 0});
  for (std::size_t t = 0; t < steps.size(); ++t) {
    EXPECT_NEAR(composition_error(std::span(steps).first(t + 1), 1e-3, 1), expected[t].first,
                expected[t].second)
        << t + 1 << " steps";
    expect_ten_digits(steps[t], kCans[t]);
  }
}

// Chebyshev: p is optimal if and only if 1 - p reaches its largest value with alternating signs
// at one point more than p has coefficients.
TEST(Minimax, TheErrorEquioscillates) {
  for (const int degree : {3, 5, 7, 9, 11, 13, 15}) {
    for (const auto& [l, u] :
         {std::pair{1e-8, 1.0}, {1e-3, 1.0}, {0.1, 1.0}, {0.2, 1.8}, {0.6, 1.4}, {2.0, 9.0}}) {
      const Minimax m = minimax(l, u, degree);
      const OddPolynomial& p = m.polynomial;
      ASSERT_EQ(p.degree(), degree);
      EXPECT_GT(m.error, 0);
      // Coefficients as doubles move p by their own roundings.
      double size = 0;
      for (std::size_t k = 0; k < p.terms; ++k) size += std::abs(p[k]) * std::pow(u, 2 * k + 1);
      const double slack = 4e-16 * size;
      constexpr int kPoints = 40000;
      int alternations = 0;
      double sign = 0;
      for (int i = 0; i <= kPoints; ++i) {
        const double x = l + (u - l) * (1 - std::cos(M_PI * i / kPoints)) / 2;
        const double e = 1 - p(x);
        EXPECT_LE(std::abs(e), m.error + slack)
            << degree << " on " << l << ", " << u << " at " << x;
        // A grid of 40000 points passes each extremum by at most a part in 1e7 of the error.
        if (std::abs(e) >= m.error * (1 - 1e-6) - slack && e * sign <= 0) {
          ++alternations;
          sign = e;
        }
      }
      EXPECT_EQ(alternations, static_cast<int>(p.terms) + 1) << degree << " on " << l << ", " << u;
    }
  }
}

TEST(Minimax, ClosingIntervalsTendToTheNewtonSchulzPolynomial) {
  for (const int degree : {3, 5, 7, 9, 11, 13, 15}) {
    const OddPolynomial limit = minimax(1, 1, degree).polynomial;
    // Contact with 1 of order (degree + 1) / 2 at 1: nothing but the last derivative is left.
    double sum = 0, slope = 0;
    for (std::size_t k = 0; k < limit.terms; ++k) {
      sum += limit[k];
      slope += static_cast<double>(2 * k + 1) * limit[k];
    }
    EXPECT_NEAR(sum, 1, 1e-15) << degree;
    EXPECT_NEAR(slope, 0, 4e-14) << degree;
    double distance = 1;
    for (const double h : {1e-1, 1e-2, 1e-4, 1e-8, 1e-12, 1e-15, 1e-16}) {
      const Minimax m = minimax(1 - h, 1 + h, degree);
      double largest = 0;
      for (std::size_t k = 0; k < limit.terms; ++k) {
        largest = std::max(largest, std::abs(m.polynomial[k] - limit[k]));
      }
      EXPECT_LE(largest, std::max(distance, 1e-13)) << degree << " half width " << h;
      EXPECT_LE(largest, 300 * h * h + 1e-14 + 1e-15 * std::abs(limit[1]))
          << degree << " half width " << h;
      distance = largest;
      // Its error is C h^terms with the same C all the way down to the smallest interval.
      if (h < 1e-3 && h > 1e-14) {
        double constant = 1;
        for (std::size_t k = 1; k <= limit.terms; ++k) {
          constant *= static_cast<double>(2 * k - 1) / static_cast<double>(k);
        }
        constant /= std::pow(2.0, static_cast<double>(limit.terms) - 1);
        EXPECT_NEAR(m.error / (constant * std::pow(h, limit.terms)), 1, 1e-3 + 1e-17 / h)
            << degree << " half width " << h;
      }
    }
  }
  expect_ten_digits(minimax(1, 1, 3).polynomial, kCubic);
  expect_ten_digits(minimax(1, 1, 5).polynomial, kClassic);
  const OddPolynomial scaled = minimax(4, 4, 5).polynomial;
  EXPECT_NEAR(scaled(4), 1, 1e-15);
}

// Every step maps its interval onto the next one.
TEST(Generate, EveryStepMapsItsIntervalIntoOneEvenAboutOne) {
  for (const std::int64_t degree : {3, 5, 7, 11, 15}) {
    for (const double lower : {1e-12, 1e-6, 1e-3, 0.1, 0.9}) {
      for (const double cushion : {0.0, 0.02, 0.1}) {
        const auto steps = generate(
            {.lower = lower, .degree = degree, .steps = 6, .safety = 1, .cushion = cushion});
        double l = lower, u = 1, error = 1;
        for (const OddPolynomial& p : steps) {
          const auto [smallest, largest] = composition_range(std::span(&p, 1), l, u);
          // Even about 1 to the roundings of coefficients, whose sizes are those of a Taylor
          // polynomial (up to 70 at degree 15), on values whose powers reach u^degree.
          double size = 0;
          for (std::size_t k = 0; k < p.terms; ++k) size += std::abs(p[k]) * std::pow(u, 2 * k + 1);
          EXPECT_NEAR(1 - smallest, largest - 1, 4e-16 * size) << degree << " " << lower;
          EXPECT_LE(1 - smallest, error + 1e-14);
          EXPECT_GT(smallest, 0);
          error = 1 - smallest;
          l = p(l);
          u = 2 - l;
        }
      }
    }
  }
}

// At the upper end a wide step has slope degree^2, and that end is mapped to the next one's:
// without a safety factor the largest singular value of a matrix of rank one is lost to a roundoff.
TEST(Generate, SafetyKeepsARoundoffFromGrowing) {
  const auto after = [](double safety, double x) {
    for (const auto& p : generate({.lower = 1e-6, .steps = 13, .safety = safety, .cushion = 0})) {
      x = p(x) * (1 + 1e-7);  // as a kernel in float would have it
    }
    return x;
  };
  EXPECT_FALSE(std::abs(after(1, 1) - 1) < 0.1);  // NaN, in truth
  EXPECT_NEAR(after(kRoundingSafety, 1), 1, 2e-7);
  EXPECT_NEAR(after(kRoundingSafety, 1 + 5e-5), 1, 2e-7);
  // It costs next to nothing of the convergence.
  const Generate plain{.steps = 5, .safety = 1, .cushion = 0};
  const Generate safe{.steps = 5, .cushion = 0};
  EXPECT_NEAR(composition_error(generate(safe), 1e-3, 1),
              composition_error(generate(plain), 1e-3, 1), 2e-3);
}

// No composition nearby is better: the greedy one is the optimum over all of them.
TEST(Generate, BeatsRandomPerturbations) {
  Rng rng(5, 3);
  for (const std::int64_t degree : {3, 5, 7}) {
    const auto steps =
        generate({.lower = 0.02, .degree = degree, .steps = 3, .safety = 1, .cushion = 0});
    const double best = composition_error(steps, 0.02, 1);
    for (int trial = 0; trial < 300; ++trial) {
      auto other = steps;
      const double size = std::pow(10.0, -1 - trial % 5);
      for (auto& p : other) {
        for (std::size_t k = 0; k < p.terms; ++k) p.coefficients[k] *= 1 + size * rng.normal();
      }
      EXPECT_GE(composition_error(other, 0.02, 1), best * (1 - 1e-12)) << degree << " " << size;
    }
  }
}

TEST(Generate, HigherDegreesAndMoreStepsAreNeverWorse) {
  double by_degree = 1;
  for (const int degree : {3, 5, 7, 9, 11, 13, 15}) {
    const double error = minimax(0.01, 1, degree).error;
    EXPECT_LT(error, by_degree);
    by_degree = error;
  }
  double by_steps = 1;
  for (std::int64_t count = 1; count <= 7; ++count) {
    const double error =
        composition_error(generate({.steps = count, .safety = 1, .cushion = 0}), 1e-3, 1);
    EXPECT_LT(error, by_steps);
    by_steps = error;
  }
}

TEST(StepsFor, TheFewestThatReachTheStatedError) {
  for (const int degree : {3, 5, 9}) {
    for (const double lower : {1e-15, 1e-6, 1e-3, 0.5}) {
      for (const double error : {0.3, 1e-2, 1e-6, 1e-14}) {
        const std::int64_t count = steps_for(lower, degree, error);
        const auto steps = generate_to(lower, 1, degree, error);
        ASSERT_EQ(static_cast<std::int64_t>(steps.size()), count);
        EXPECT_LE(composition_error(steps, lower, 1), error + 4e-16);
        if (count == 0) continue;
        const auto fewer = generate({.lower = lower, .degree = degree, .steps = count - 1});
        EXPECT_GT(composition_error(fewer, lower, 1), error);
      }
    }
  }
  // Eleven cubic steps or seven quintic ones from 1e-3.
  EXPECT_EQ(steps_for(1e-3, 3, 1e-10), 11);
  EXPECT_EQ(steps_for(1e-3, 5, 1e-8), 7);
  EXPECT_EQ(steps_for(1, 5, 1e-8), 0);
  EXPECT_EQ(generate_to(3, 3, 5, 1e-8).size(), 1u);
  EXPECT_EQ(steps_for(1e-3, 5, 1e-300), steps_for(1e-3, 5, 0x1p-50));
}

TEST(CompositionRange, AgreesWithADenseGrid) {
  const std::vector<OddPolynomial> steps{kYou[0], kYou[1], kYou[2]};
  for (const auto& [lo, hi] : {std::pair{1e-3, 1.0}, {0.2, 0.25}, {-1.0, 0.5}, {0.5, 0.5}}) {
    double smallest = 1e300, largest = -1e300;
    constexpr int kPoints = 200000;
    for (int i = 0; i <= kPoints; ++i) {
      double x = lo + (hi - lo) * i / kPoints;
      for (const auto& p : steps) x = p(x);
      smallest = std::min(smallest, x);
      largest = std::max(largest, x);
    }
    const auto [a, b] = composition_range(steps, lo, hi);
    // The grid misses an extremum by at most slope^2 (1 / kPoints)^2 times a few.
    EXPECT_LE(a, smallest + 1e-15);
    EXPECT_GE(b, largest - 1e-15);
    EXPECT_NEAR(a, smallest, 1e-6);
    EXPECT_NEAR(b, largest, 1e-6);
    EXPECT_DOUBLE_EQ(composition_error(steps, lo, hi), std::max(std::abs(1 - a), std::abs(b - 1)));
  }
  const auto none = composition_range({}, 0.25, 2);
  EXPECT_EQ(none, std::pair(0.25, 2.0));
  // Steps that diverge say so.
  const std::vector<OddPolynomial> wild(40, OddPolynomial{3.4445, -4.7750, 2.0315});
  EXPECT_EQ(composition_error(wild, 1e-3, 3), std::numeric_limits<double>::infinity());
}

TEST(Generate, OptionsAreReadAndRefused) {
  Generate options;
  read(Json::parse(R"({"lower": 1e-4, "degree": 7, "steps": 3, "safety": 1.01, "cushion": 0})"),
       options);
  EXPECT_EQ(options.degree, 7);
  EXPECT_EQ(generate(options).size(), 3u);
  EXPECT_EQ(generate({.steps = 0}).size(), 0u);
  EXPECT_THROW(read(Json::parse(R"({"lower": 0})"), options), ConfigError);
  EXPECT_THROW(read(Json::parse(R"({"cushion": 1})"), options), ConfigError);
  EXPECT_THROW(read(Json::parse(R"({"safety": 0.9})"), options), ConfigError);
  EXPECT_THROW((void)generate({.degree = 4}), ConfigError);
  EXPECT_THROW((void)generate({.degree = 17}), ConfigError);
  EXPECT_THROW((void)generate({.lower = 2, .upper = 1}), ConfigError);
  EXPECT_THROW((void)generate({.lower = 0}), ConfigError);
  EXPECT_THROW((void)generate({.lower = std::nan("")}), ConfigError);
  EXPECT_THROW((void)generate({.safety = 0}), ConfigError);
  EXPECT_THROW((void)generate({.cushion = std::nan("")}), ConfigError);
  EXPECT_THROW((void)generate_to(0.1, 1, 5, 0), ConfigError);
  EXPECT_THROW((void)generate_to(0.1, 1, 5, 0.1, 1), ConfigError);
}

}  // namespace
}  // namespace muonflow::linalg
