#include "muonflow/linalg/batched/partial_fractions.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace muonflow::linalg {
namespace {

// Largest relative error on [q, 1], and how often it reaches the promised one with changing sign.
struct Ripple {
  double largest = 0;
  int alternations = 0;
};
Ripple ripple(const PartialFractions& f, double q) {
  Ripple result;
  double last = 0;
  constexpr int kPoints = 20000;
  for (int i = 0; i <= kPoints; ++i) {
    const double x = std::pow(q, 1 - static_cast<double>(i) / kPoints);
    const double error = f(x) * std::sqrt(x) - 1;
    result.largest = std::max(result.largest, std::abs(error));
    if (std::abs(error) > 0.99 * f.error && error * last <= 0) {
      ++result.alternations;
      last = error;
    }
  }
  return result;
}

TEST(PartialFractions, TheErrorIsTheOnePromisedAndEquioscillates) {
  for (const double q : {0.5, 1e-2, 1e-4, 1.0 / (1 << 26)}) {
    for (const int poles : {1, 2, 3, 5, 8, 12}) {
      const PartialFractions f = partial_fractions(q, poles);
      const Ripple found = ripple(f, q);
      // Roundoff of a sum of `poles` terms.
      EXPECT_NEAR(found.largest, f.error, 1e-6 * f.error + 1e-14) << q << ' ' << poles;
      // A best approximation of type (2 r + 1, 2 r) on two intervals alternates 2 r + 2 times.
      if (f.error > 1e-9) {
        EXPECT_EQ(found.alternations, 2 * poles + 2) << q << " " << poles;
      }
      for (int j = 0; j < poles; ++j) {
        EXPECT_GT(f.pole[static_cast<std::size_t>(j)], 0);
        EXPECT_GT(f.weight[static_cast<std::size_t>(j)], 0);
      }
    }
  }
}

// One pole is the weighted Halley step of QDWH, X (a + b X^2) / (1 + c X^2), up to centring.
TEST(PartialFractions, OnePoleIsTheHalleyStep) {
  const double l = 1e-3;
  const double dd = std::cbrt(4 * (1 - l * l) / std::pow(l, 4));
  const double a = std::sqrt(1 + dd) +
                   0.5 * std::sqrt(8 - 4 * dd + 8 * (2 - l * l) / (l * l * std::sqrt(1 + dd)));
  const double b = (a - 1) * (a - 1) / 4;
  const double c = a + b - 1;
  const PartialFractions f = partial_fractions(l * l, 1);
  EXPECT_NEAR(f.pole[0], 1 / c, 1e-9 / c);
  EXPECT_NEAR(f.weight[0], a / b - 1 / c, 1e-9 * a / b);
}

TEST(PartialFractionsTable, EachRowServesItsInterval) {
  const PartialFractionsTable& table = PartialFractionsTable::shared(1e-6);
  EXPECT_EQ(&table, &PartialFractionsTable::shared(1e-6));
  constexpr int kStep = PartialFractionsTable::kStep;
  for (int k = 1; k < PartialFractionsTable::kRows; ++k) {
    const double q = std::ldexp(1.0, -k);
    EXPECT_LE(ripple(table[k], q).largest, 1e-6 * (1 + 1e-6)) << k;
    EXPECT_EQ(table[k].poles % kStep, 0);
    if (table[k].poles > kStep) {
      EXPECT_GT(partial_fractions(q, table[k].poles - kStep).error, 1e-6) << k;
    }
    EXPECT_EQ(PartialFractionsTable::row_of(q), k);
    EXPECT_EQ(PartialFractionsTable::row_of(1.9 * q), k);
    EXPECT_EQ(table.in<float>(k).pole[3], static_cast<float>(table[k].pole[3]));
    EXPECT_EQ(table.in<float>(k).weight[0], static_cast<float>(table[k].weight[0]));
  }
  EXPECT_EQ(PartialFractionsTable::row_of(1e-300), PartialFractionsTable::kRows - 1);
  EXPECT_EQ(table.least(), std::ldexp(1.0, 1 - PartialFractionsTable::kRows));
  // Roundoff of doubles ends a table.
  EXPECT_GT(PartialFractionsTable::shared(4e-15).least(), table.least());
}

}  // namespace
}  // namespace muonflow::linalg
