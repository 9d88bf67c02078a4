#include "muonflow/linalg/made_to_measure.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/linalg/minimax.hpp"

namespace muonflow::linalg {
namespace {

TEST(MadeToMeasure, BringsTheWholeIntervalToOne) {
  for (const int degree : {3, 5, 9}) {
    for (const double error : {1e-2, 1e-6, 2e-15}) {
      for (const double lower : {1.1e-8, 3e-5, 1e-3, 0.02, 0.3, 0.9, 1.0}) {
        const auto steps = made_to_measure(lower, degree, error);
        ASSERT_FALSE(steps.empty());
        // Coefficients are doubles: each step adds a few of their roundings.
        EXPECT_LE(composition_error(steps, lower, 1.0), error + 1e-15) << degree << " " << lower;
      }
    }
  }
}

// At most one step more than a composition for that very interval.
TEST(MadeToMeasure, IsAtMostOneStepLongerThanTheBest) {
  int longer = 0;
  int tried = 0;
  for (double lower = 2e-8; lower < 0.9; lower *= 1.7) {
    const auto steps = made_to_measure(lower, 5, 1e-6);
    const auto best = static_cast<std::size_t>(steps_for(lower, 5, 1e-6));
    EXPECT_LE(steps.size(), best + 1) << lower;
    longer += steps.size() > best ? 1 : 0;
    ++tried;
  }
  EXPECT_LE(longer, tried / 2);
}

TEST(MadeToMeasure, TheSameStepsEveryTime) {
  const auto first = made_to_measure(0.01, 5, 1e-6);
  EXPECT_EQ(made_to_measure(0.01, 5, 1e-6).data(), first.data());
}

}  // namespace
}  // namespace muonflow::linalg
