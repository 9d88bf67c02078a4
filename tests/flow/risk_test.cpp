#include "muonflow/flow/risk.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow::flow {
namespace {

struct RiskCase {
  std::string name;
  RiskKind kind;
  std::vector<double> targets;
  RiskForm form{};

  friend void PrintTo(const RiskCase& one, std::ostream* out) { *out << one.name; }
};

const std::vector<double> kSigns{1, -1, 1, -1, -1, 1};
const std::vector<double> kProbabilities{0.2, 0.5, 0.3, 0, 1, 0};

std::vector<RiskCase> risk_cases() {
  std::vector<RiskCase> all{
      {"squared", RiskKind::squared, kSigns},
      {"logistic", RiskKind::logistic, kSigns},
      {"linear", RiskKind::linear, kSigns},
      {"cross_entropy", RiskKind::cross_entropy, kProbabilities, {.classes = 3}},
      {"weighted", RiskKind::logistic, kSigns, {.weight = 0.25}}};
  for (auto one : std::vector<RiskCase>(all.begin(), all.begin() + 4)) {
    one.name += "_quotient";
    one.form = {.classes = 3, .weight = 0.5, .quotient = true};
    all.push_back(one);
  }
  return all;
}

class EveryRisk : public ::testing::TestWithParam<RiskCase> {};

TEST_P(EveryRisk, GradientIsTheDifferenceQuotient) {
  const Risk risk(GetParam().kind, GetParam().targets, "test", GetParam().form);
  ASSERT_EQ(risk.features(), GetParam().form.quotient ? 8u : 6u);
  std::vector<double> z{0.3, 0.9, -2.5, 1.1, 0.1, -0.7, 1.6, 0.8};
  z.resize(risk.features());
  std::vector<double> gradient(z.size());
  risk.gradient(z, gradient);
  const double d = 1e-5;
  for (std::size_t k = 0; k < z.size(); ++k) {
    auto up = z, down = z;
    up[k] += d;
    down[k] -= d;
    // Central differences: d^2 times a third derivative below 10, and round-off over d.
    EXPECT_NEAR(gradient[k], (risk.value(up) - risk.value(down)) / (2 * d), 2e-9) << k;
  }
}

TEST_P(EveryRisk, InfimumIsALowerBound) {
  const Risk risk(GetParam().kind, GetParam().targets, "test", GetParam().form);
  const auto infimum = risk.infimum();
  EXPECT_EQ(infimum.has_value(), GetParam().kind != RiskKind::linear);
  for (int draw = 0; infimum && draw < 50; ++draw) {
    std::vector<double> z(risk.features());
    for (std::size_t k = 0; k < z.size(); ++k) z[k] = 4 * std::sin(1 + draw + 2.7 * double(k));
    EXPECT_GE(risk.value(z), *infimum);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryRisk, ::testing::ValuesIn(risk_cases()),
                         [](const auto& tested) { return tested.param.name; });

TEST(Risk, ValuesByHand) {
  EXPECT_DOUBLE_EQ(Risk(RiskKind::squared, {1, 2}, "t").value(std::vector{0.0, 0.0}), 2.5);
  EXPECT_DOUBLE_EQ(Risk(RiskKind::linear, {1, 2}, "t").value(std::vector{3.0, -1.0}), 1);
  EXPECT_DOUBLE_EQ(Risk(RiskKind::logistic, {1}, "t").value(std::vector{0.0}), std::log(2));
  EXPECT_DOUBLE_EQ(
      Risk(RiskKind::cross_entropy, {0, 1}, "t", {.classes = 2}).value(std::vector{0.0, 0.0}),
      std::log(2));
  // No overflow for a confident mistake.
  EXPECT_DOUBLE_EQ(Risk(RiskKind::logistic, {1}, "t").value(std::vector{-1000.0}), 1000);
  EXPECT_DOUBLE_EQ(
      Risk(RiskKind::cross_entropy, {0, 1}, "t", {.classes = 2}).value(std::vector{1000.0, 0.0}),
      1000);
  // 6/3 and 3/3 against 1 and 1, with the weight 1/2.
  EXPECT_DOUBLE_EQ(
      Risk(RiskKind::squared, {1, 1}, "t", {.classes = 2, .weight = 0.5, .quotient = true})
          .value(std::vector{6.0, 3.0, 3.0}),
      0.25);
}

// Logits that are the logarithms of the targets reach the entropy of the targets.
TEST(Risk, CrossEntropyComesDownToTheEntropy) {
  const Risk risk(RiskKind::cross_entropy, {0.2, 0.5, 0.3}, "t", {.classes = 3, .weight = 2});
  const std::vector z{std::log(0.2), std::log(0.5), std::log(0.3)};
  EXPECT_NEAR(risk.value(z), *risk.infimum(), 1e-15);
  EXPECT_NEAR(*risk.infimum(),
              -2 * (0.2 * std::log(0.2) + 0.5 * std::log(0.5) + 0.3 * std::log(0.3)), 1e-15);
}

TEST(Risk, RefusesWhatItCannotUse) {
  EXPECT_THROW(Risk(RiskKind::cross_entropy, {1}, "t"), ConfigError);
  EXPECT_THROW(Risk(RiskKind::cross_entropy, {0.5, 0.6}, "t", {.classes = 2}), DataError);
  EXPECT_THROW(Risk(RiskKind::cross_entropy, {1.5, -0.5}, "t", {.classes = 2}), DataError);
  EXPECT_THROW(Risk(RiskKind::logistic, {0.5}, "t"), DataError);
  EXPECT_THROW(Risk(RiskKind::squared, {std::nan("")}, "t"), DataError);
}

}  // namespace
}  // namespace muonflow::flow
