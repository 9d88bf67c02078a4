#include "muonflow/study/study.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "muonflow/core/error.hpp"
#include "tests/study/toy_study.hpp"

namespace muonflow::study {
namespace {

Verdict verdict_of(const Json& options) {
  Context context;
  const auto& toy = toy_study();
  return run_study(toy, toy.resolve(options, false, {}), context).verdict;
}

TEST(RunStudy, TheWorstCheckIsTheVerdict) {
  EXPECT_EQ(verdict_of({{"theorem", 2.0}}), Verdict::pass);
  EXPECT_EQ(verdict_of({{"claim", 5.0}}), Verdict::finding);
  EXPECT_EQ(verdict_of({{"theorem", 5.0}, {"claim", 5.0}}), Verdict::fail);
}

TEST(RunStudy, ChecksComeInTheOrderOfTheBounds) {
  Context context;
  const auto& toy = toy_study();
  const auto judged = run_study(toy, toy.resolve(Json::object(), false, {}), context);
  ASSERT_EQ(judged.checks.size(), 3u);
  EXPECT_EQ(judged.checks[0].bound.name, "theorem");
  EXPECT_EQ(judged.checks[1].measured.samples, 3);
  EXPECT_EQ(judged.checks[2].measured.value, 7);
  EXPECT_EQ(judged.figures.size(), 1u);
  EXPECT_EQ(judged.remarks.size(), 1u);
}

TEST(Resolve, QuickHasItsOwnDefaultsAndKeysAreChecked) {
  const auto& toy = toy_study();
  EXPECT_EQ(toy.resolve(Json::object(), false, {})["seed"], 4);
  EXPECT_EQ(toy.resolve(Json::object(), true, {})["seed"], 5);
  EXPECT_EQ(toy.resolve({{"seed", 9}}, true, {})["seed"], 9);
  EXPECT_THROW(toy.resolve({{"sed", 9}}, false, {}), ConfigError);
}

class EveryStudy : public testing::TestWithParam<std::string> {};

TEST_P(EveryStudy, DeclaresWhatDecides) {
  const auto& study = studies().at(GetParam());
  for (const auto text :
       {study.info.title, study.info.paper, study.info.statement, study.info.computes}) {
    EXPECT_FALSE(text.empty());
  }
  EXPECT_TRUE(study.info.paper.starts_with("arXiv:")) << study.info.paper;
  for (const bool quick : {false, true}) {
    std::set<std::string> names;
    int deciding = 0;
    for (const auto& bound : study.bounds(study.resolve(Json::object(), quick, {}))) {
      EXPECT_TRUE(names.insert(bound.name).second) << bound.name;
      EXPECT_FALSE(bound.quantity.empty()) << bound.name;
      if (!bound.decides()) continue;
      ++deciding;
      EXPECT_LE(bound.low, bound.high) << bound.name;
      EXPECT_FALSE(bound.why.empty()) << bound.name;
    }
    EXPECT_GT(deciding, 0);
  }
}

// The quick form measures every declared quantity and contradicts no theorem.
TEST_P(EveryStudy, QuickFormIsWhole) {
  const auto& study = studies().at(GetParam());
  const auto options = study.resolve(Json::object(), true, {});
  Context context;
  const auto judged = run_study(study, options, context);
  EXPECT_FALSE(judged.cancelled);
  EXPECT_NE(judged.verdict, Verdict::fail);
  for (const auto& check : judged.checks) {
    EXPECT_TRUE(std::isfinite(check.measured.value)) << check.bound.name;
    EXPECT_NE(check.verdict, Verdict::fail)
        << check.bound.name << " = " << check.measured.value << ", " << check.bound.range_text();
  }
  EXPECT_FALSE(judged.figures.empty());
  for (const auto& figure : judged.figures) {
    EXPECT_FALSE(figure.curves.empty()) << figure.name;
    for (const auto& curve : figure.curves)
      EXPECT_EQ(curve.x.size(), curve.y.size()) << figure.name;
  }
}

TEST_P(EveryStudy, EndsWhenAsked) {
  struct Impatient : Context {
    bool progress(double, double, const std::string&) override { return false; }
  } impatient;
  const auto& study = studies().at(GetParam());
  EXPECT_TRUE(run_study(study, study.resolve(Json::object(), true, {}), impatient).cancelled);
}

INSTANTIATE_TEST_SUITE_P(All, EveryStudy, testing::ValuesIn(studies().names()),
                         [](const auto& entry) {
                           auto name = entry.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace muonflow::study
