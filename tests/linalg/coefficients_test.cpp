#include "muonflow/linalg/coefficients.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "muonflow/linalg/minimax.hpp"

namespace muonflow::linalg {
namespace {

std::vector<OddPolynomial> run_of(Table table, std::int64_t count) {
  std::vector<OddPolynomial> steps;
  for (std::int64_t t = 0; t < count; ++t) steps.push_back(table_step(table, t, count));
  return steps;
}
std::pair<double, double> image(Table table, std::int64_t count, double lower) {
  return composition_range(run_of(table, count), lower, 1);
}
double error(Table table, std::int64_t count, double lower = 1e-3) {
  return composition_error(run_of(table, count), lower, 1);
}

void expect_step(const OddPolynomial& p, const OddPolynomial& q) {
  EXPECT_EQ(p.terms, q.terms);
  EXPECT_EQ(p.coefficients, q.coefficients);
}

// Tolerances here are a unit of the last digit of the range that is stated.
TEST(Coefficients, JordanRanges) {
  EXPECT_NEAR(image(Table::jordan, 5, 1e-3).first, 0.4705, 1e-4);
  EXPECT_NEAR(image(Table::jordan, 5, 1e-3).second, 1.2024, 1e-4);
  EXPECT_NEAR(image(Table::jordan, 5, 5e-3).first, 0.6818, 1e-4);
  EXPECT_NEAR(image(Table::jordan, 5, 5e-3).second, 1.1544, 1e-4);
  for (const double lower : {1e-2, 0.1, 0.5}) {
    EXPECT_GE(image(Table::jordan, 5, lower).first, 0.6818 - 1e-4);
    EXPECT_LE(image(Table::jordan, 5, lower).second, 1.1344 + 1e-4);
  }
}

TEST(Coefficients, JordanStaysInItsBandAndNeverConverges) {
  const auto [smallest, largest] = image(Table::jordan, 30, 1e-3);
  EXPECT_NEAR(smallest, 0.68183, 2e-5);
  EXPECT_NEAR(largest, 1.13436, 2e-5);
  EXPECT_NEAR(std::pow(kJordan.a, 5), 484.9, 0.05);
  for (const double fixed : {0.8680, 1.2637}) EXPECT_NEAR(kJordan(fixed), fixed, 2e-4);
}

TEST(Coefficients, YouRanges) {
  EXPECT_NEAR(image(Table::you, 5, 1e-3).first, 0.475, 1e-3);
  EXPECT_NEAR(image(Table::you, 5, 1e-3).second, 1.145, 1e-3);
  EXPECT_NEAR(image(Table::you, 5, 5e-3).first, 0.978, 1e-3);
  EXPECT_NEAR(image(Table::you, 5, 5e-3).second, 1.112, 1e-3);
  EXPECT_NEAR(image(Table::you, 5, 1e-2).first, 0.978, 1e-3);
  EXPECT_NEAR(image(Table::you, 5, 1e-2).second, 1.032, 1e-3);
}

TEST(Coefficients, PolarExpressErrors) {
  EXPECT_NEAR(error(Table::polar_express, 5), 0.124, 5e-4);
  EXPECT_NEAR(error(Table::polar_express, 6), 1.2e-3, 5e-5);
  EXPECT_NEAR(error(Table::polar_express, 7), 1.0e-9, 5e-10);
  EXPECT_LT(error(Table::polar_express, 8), 1e-15);  // a few roundoffs of the coefficients
}

// Five steps err alike on both sides, which a wrong digit in any coefficient would break.
TEST(Coefficients, PolarExpressErrorIsEvenOnBothSides) {
  const auto [smallest, largest] = image(Table::polar_express, 5, 1e-3);
  EXPECT_NEAR(1 - smallest, 0.1236, 5e-5);
  // The upper end carries the roundings of every step, multiplied by the slopes of the later ones.
  EXPECT_NEAR(1 - smallest, largest - 1, 1e-10);
}

TEST(Coefficients, PaperScalesAllButTheLastExecutedStep) {
  EXPECT_NEAR(error(Table::polar_express_paper, 5), 0.148, 5e-4);
  // All five scaled, as a listing does that scales its table once and for all.
  auto all = run_of(Table::polar_express, 5);
  for (auto& p : all) p = with_safety(p, kPolarExpressSafety);
  EXPECT_NEAR(composition_error(all, 1e-3, 1), 0.154, 5e-4);
  expect_step(table_step(Table::polar_express_paper, 4, 5), kPolarExpress[4]);
  expect_step(table_step(Table::polar_express_paper, 8, 9), kClassic);
  const OddPolynomial p = table_step(Table::polar_express_paper, 1, 5);
  for (const double x : {0.1, 0.7, 1.01}) EXPECT_NEAR(p(x), kPolarExpress[1](x / 1.01), 1e-14);
  // The last step, unscaled, still brings a long run to 1.
  EXPECT_LT(error(Table::polar_express_paper, 10), 1e-15);
  // A safety of 1.05, as others choose.
  for (const auto& [last, expected] : {std::pair{1.05, 0.271}, {1.0, 0.242}}) {
    auto steps = run_of(Table::polar_express, 5);
    for (std::size_t t = 0; t < 5; ++t) steps[t] = with_safety(steps[t], t < 4 ? 1.05 : last);
    EXPECT_NEAR(composition_error(steps, 1e-3, 1), expected, 5e-4);
  }
}

TEST(Coefficients, DionRanges) {
  const auto [smallest, largest] = image(Table::polar_express_dion, 5, 1e-3);
  EXPECT_NEAR(smallest, 0.859, 5e-4);
  EXPECT_NEAR(largest, 1.141, 5e-4);
  EXPECT_LT(error(Table::polar_express_dion, 10), 1e-15);
}

TEST(Coefficients, TurboRanges) {
  EXPECT_NEAR(image(Table::turbo, 4, 1e-2).first, 0.941, 5e-4);
  EXPECT_NEAR(image(Table::turbo, 4, 1e-2).second, 1.050, 5e-4);
  EXPECT_NEAR(image(Table::turbo, 4, 3e-3).first, 0.426, 5e-4);
  EXPECT_NEAR(image(Table::turbo, 4, 3e-3).second, 1.050, 5e-4);
}

TEST(Coefficients, CansReachesTheRoundoff) {
  EXPECT_NEAR(error(Table::cans, 9), 2.2e-3, 5e-5);
  EXPECT_NEAR(error(Table::cans, 10), 3.5e-6, 5e-8);
  EXPECT_LT(error(Table::cans, 12), 1e-15);
}

TEST(Coefficients, ClassicConvergesToOneFlatly) {
  EXPECT_NEAR(error(Table::classic, 12), 1.9e-2, 1e-3);
  EXPECT_LT(error(Table::classic, 15), 1e-15);
  // p(1) = 1 and p'(1) = p''(1) = 0: a cubic contact, exactly representable.
  EXPECT_EQ(kClassic.a + kClassic.b + kClassic.c, 1.0);
  EXPECT_EQ(kClassic.a + 3 * kClassic.b + 5 * kClassic.c, 0.0);
  EXPECT_EQ(6 * kClassic.b + 20 * kClassic.c, 0.0);
  const std::vector<OddPolynomial> cubics(20, kCubic);
  EXPECT_NEAR(composition_error(cubics, 1e-3, 1), 6e-5, 5e-6);
}

TEST(Coefficients, LongRunsContinueAsStated) {
  for (const std::int64_t step : {11, 12, 100}) {
    expect_step(table_step(Table::jordan, step, 101), kJordan);
    expect_step(table_step(Table::you, step, 101), kYou.back());
    expect_step(table_step(Table::polar_express, step, 101), kClassic);
    expect_step(table_step(Table::polar_express_dion, step, 101), kClassic);
    expect_step(table_step(Table::turbo, step, 101), kTurbo.back());
    expect_step(table_step(Table::cans, step, 101), kCubic);
    expect_step(table_step(Table::classic, step, 101), kClassic);
  }
  expect_step(table_step(Table::polar_express, 6, 7), kPolarExpress[6]);
  EXPECT_EQ(polar_express_step(6).a, kPolarExpress[6].a);
  EXPECT_EQ(polar_express_step(7).a, kClassic.a);
}

TEST(Coefficients, EveryTableSaysWhatItIs) {
  for (std::size_t i = 0; i < kTables.size(); ++i) {
    const TableInfo& info = kTables[i];
    EXPECT_EQ(static_cast<std::size_t>(info.table), i);
    EXPECT_EQ(&table_info(info.table), &info);
    EXPECT_FALSE(info.cite.empty());
    EXPECT_FALSE(enum_name(info.table).empty());
    // Past its entries a run has become constant.
    const std::int64_t count = info.entries + 5;
    expect_step(table_step(info.table, info.entries, count),
                table_step(info.table, info.entries + 1, count));
    // The run of its source keeps [1e-3, 1] within (0, 2).
    const auto [smallest, largest] = image(info.table, info.steps, 1e-3);
    EXPECT_GT(smallest, 0) << enum_name(info.table);
    EXPECT_LT(largest, 2) << enum_name(info.table);
  }
  EXPECT_EQ(table_info(Table::polar_express_dion).norm_factor, 1.02);
}

}  // namespace
}  // namespace muonflow::linalg
