#include "muonflow/study/bound.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace muonflow::study {
namespace {

const Bound kSlope{.name = "slope", .low = 1.85, .high = 2.15};

TEST(Bound, RangeIsTold) {
  EXPECT_EQ(kSlope.range_text(), "in [1.85, 2.15]");
  EXPECT_EQ((Bound{.name = "a", .high = 1e-9}).range_text(), "<= 1e-09");
  EXPECT_EQ((Bound{.name = "a", .low = 1}).range_text(), ">= 1");
  EXPECT_EQ((Bound{.name = "a", .low = 0, .high = 0}).range_text(), "= 0");
  EXPECT_EQ((Bound{.name = "a", .low = 0.97 * 2 / 3, .high = 1 + 1e-9}).range_text(),
            "in [0.6467, 1.000000001]")
      << "what is long is told in four digits";
  EXPECT_EQ((Bound{.name = "a", .high = 4 * 0.05 * 0.05}).range_text(), "<= 0.01");
  EXPECT_FALSE((Bound{.name = "a"}).decides());
  EXPECT_EQ((Bound{.name = "a"}).range_text(), "");
}

TEST(Judge, EndsBelongToTheRange) {
  EXPECT_EQ(judge(kSlope, {.value = 1.85}), Verdict::pass);
  EXPECT_EQ(judge(kSlope, {.value = 2.15}), Verdict::pass);
  EXPECT_EQ(judge(kSlope, {.value = 2.1500001}), Verdict::fail);
}

TEST(Judge, WhatABrokenBoundMeansWasDeclared) {
  auto claim = kSlope;
  claim.broken = Broken::finding;
  EXPECT_EQ(judge(claim, {.value = 3}), Verdict::finding);
  // A measurement that failed shows nothing about the claim.
  EXPECT_EQ(judge(claim, {}), Verdict::fail);
}

TEST(Judge, TheWholeIntervalWhereItWasDeclared) {
  auto whole = kSlope;
  whole.judged = Judged::interval;
  EXPECT_EQ(judge(whole, {.value = 2, .low = 1.9, .high = 2.1}), Verdict::pass);
  EXPECT_EQ(judge(whole, {.value = 2, .low = 1.8, .high = 2.1}), Verdict::fail);
  EXPECT_EQ(judge(whole, {.value = 2}), Verdict::fail);
  EXPECT_EQ(judge(kSlope, {.value = 2, .low = 1, .high = 3}), Verdict::pass);
}

TEST(Judge, EffectSizesDecideNothing) {
  EXPECT_EQ(judge({.name = "effect"}, {.value = 1e9}), Verdict::pass);
}

TEST(CheckJson, SaysAllThatWasDeclaredAndMeasured) {
  const auto json = to_json(Check{.bound = kSlope,
                                  .measured = {.value = 2, .low = 1.9, .high = 2.1, .samples = 5},
                                  .verdict = Verdict::pass});
  EXPECT_EQ(json["name"], "slope");
  EXPECT_EQ(json["range"], "in [1.85, 2.15]");
  EXPECT_EQ(json["value"], 2);
  EXPECT_EQ(json["interval"], (Json{1.9, 2.1}));
  EXPECT_EQ(json["samples"], 5);
  EXPECT_EQ(json["verdict"], "PASS");
  EXPECT_TRUE(to_json(Check{.bound = {.name = "effect"}})["verdict"].is_null());
}

}  // namespace
}  // namespace muonflow::study
