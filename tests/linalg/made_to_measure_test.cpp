#include "muonflow/linalg/made_to_measure.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "muonflow/linalg/minimax.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kFloat = std::numeric_limits<float>::epsilon() / 2;
constexpr double kDouble = std::numeric_limits<double>::epsilon() / 2;

// Products of symmetric matrices that the Gram formulation takes, by the rule that it follows: a
// restart where the open chunk would amplify too much.
double cost_of(std::span<const OddPolynomial> steps, double amplification, double aspect) {
  double cost = 1 + 2;  // A at the beginning, X <- Q X at the end
  double open = 1;
  bool fresh = true;
  for (std::size_t t = 0; t < steps.size(); ++t) {
    const double by = steps[t][0] * steps[t][0];
    if (t > 0) {
      const bool restart = open * by > amplification;
      cost += restart ? 3 * aspect + 1 : 2;
      if (restart) open = 1;
      fresh = restart;
    }
    const int degree = steps[t].degree();
    cost += degree == 3 ? 0 : degree == 5 ? 1 : degree <= 9 ? 2 : 3;
    cost += fresh ? 0 : 1;
    open *= by;
  }
  return cost;
}

TEST(MadeToMeasure, BringsTheWholeIntervalToOne) {
  for (const double error : {1e-2, 16 * kFloat, 16 * kDouble}) {
    for (const double amplification : {1.0, 256.0, 1e8}) {
      for (const double lower : {1.1e-8, 3e-5, 1e-3, 0.02, 0.3, 0.9, 1.0}) {
        const auto steps =
            made_to_measure({.lower = lower, .error = error, .amplification = amplification});
        ASSERT_FALSE(steps.empty());
        // Coefficients are doubles: each step adds a few of their roundings.
        EXPECT_LE(composition_error(steps, lower, 1.0), error + 1e-15)
            << error << " " << amplification << " " << lower;
      }
    }
  }
}

// No composition of a single degree, made for that very interval, is cheaper by more than the grid
// may cost; and for most intervals the mixture is the cheaper one.
TEST(MadeToMeasure, MixedDegreesAreCheaperThanAnySingleOne) {
  for (const double aspect : {1.0, 4.0}) {
    int cheaper = 0;
    int tried = 0;
    for (double lower = 3e-4; lower < 0.9; lower *= 1.7) {
      const auto steps = made_to_measure(
          {.lower = lower, .error = 16 * kFloat, .amplification = 256, .aspect = aspect});
      const double mixed = cost_of(steps, 256, aspect);
      double best = std::numeric_limits<double>::infinity();
      for (const int degree : {3, 5, 7, 9}) {
        const auto single = generate_to(lower, 1.0, degree, 16 * kFloat);
        best = std::min(best, cost_of(single, 256, aspect));
      }
      EXPECT_LE(mixed, best + 2) << lower;
      cheaper += mixed < best ? 1 : 0;
      ++tried;
    }
    EXPECT_GE(cheaper, tried / 2) << aspect;
  }
}

TEST(MadeToMeasure, AnIntervalOfAHundredthTakesThreeProductsLessThanQuintics) {
  const auto steps = made_to_measure({.lower = 0.01, .error = 1e-6, .amplification = 1024});
  EXPECT_LE(cost_of(steps, 1024, 1), 22);
  EXPECT_EQ(cost_of(generate_to(0.01, 1.0, 5, 1e-6), 1024, 1), 25);
}

TEST(MadeToMeasure, RestartsAreDearForWideMatrices) {
  const auto restarts = [](std::span<const OddPolynomial> steps) {
    return (cost_of(steps, 256, 1001) - cost_of(steps, 256, 1)) / 3000;
  };
  for (const double lower : {0.1, 0.01, 1e-3}) {
    const Measure square{.lower = lower, .error = 1e-6, .amplification = 256};
    Measure wide = square;
    wide.aspect = 16;
    EXPECT_LE(restarts(made_to_measure(wide)), restarts(made_to_measure(square))) << lower;
  }
}

TEST(MadeToMeasure, TheSameStepsEveryTime) {
  const Measure measure{.lower = 0.01, .error = 1e-6, .amplification = 256};
  const auto first = made_to_measure(measure);
  EXPECT_EQ(made_to_measure(measure).data(), first.data());
}

}  // namespace
}  // namespace muonflow::linalg
