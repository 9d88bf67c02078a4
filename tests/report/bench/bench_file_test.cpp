#include "muonflow/report/bench/bench_file.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/report/bench/synthetic_benches.hpp"

namespace muonflow::report {
namespace {

TEST(BenchFile, KernelsAreReadBack) {
  const auto file = test::kernel_document();
  EXPECT_TRUE(is_kernel_bench(file));
  EXPECT_FALSE(is_accuracy_bench(file));
  const auto bench = kernel_bench(file);
  EXPECT_EQ(bench.peak_gflops, 123.4);
  ASSERT_EQ(bench.rows.size(), 2u);
  ASSERT_EQ(bench.rows[0].contenders.size(), 3u);
  EXPECT_TRUE(bench.rows[0].contenders[0].ours);
  EXPECT_FALSE(bench.rows[0].contenders[2].same_precision);
  EXPECT_EQ(bench.rows[0].contenders[1].median, 0.015);
  EXPECT_EQ(bench.rows[1].best_ratio, 3.25);
}

TEST(BenchFile, AccuracyIsReadBack) {
  const auto bench = accuracy_bench(test::accuracy_document());
  EXPECT_EQ(bench.methods(), (std::vector<std::string>{"jordan", "svd"}));
  EXPECT_EQ(bench.dtypes(), (std::vector<std::string>{"float32", "float64"}));
  ASSERT_EQ(bench.series.size(), 4u);
  EXPECT_EQ(bench.series[0].errors[2], 0.5);
  EXPECT_TRUE(std::isnan(bench.series[1].errors[1]));
}

TEST(BenchFile, StepsAreReadInTheFormOfKernels) {
  const BenchFile file("x", Json::parse(R"({"kind": "bench steps", "rows": [{"title": "adamw",
      "contenders": [{"ours": true, "parameters_per_second": 2e6, "state_bytes": 8}]}]})"));
  EXPECT_TRUE(is_step_bench(file));
  EXPECT_TRUE(is_kernel_bench(file));
  const auto bench = kernel_bench(file);
  EXPECT_TRUE(bench.steps);
  ASSERT_EQ(bench.rows.size(), 1u);
  ASSERT_EQ(bench.rows[0].contenders.size(), 1u);
  EXPECT_EQ(bench.rows[0].contenders[0].parameters_per_second, 2e6);
  EXPECT_EQ(bench.rows[0].contenders[0].state_bytes, 8);
  EXPECT_FALSE(is_step_bench(test::kernel_document()));
}

// A document is a file that anybody may have edited.
TEST(BenchFile, WhateverIsMissingOrOfAnotherTypeIsNoNumber) {
  for (const char* text :
       {R"({"kind": "bench kernels"})", R"({"kind": "bench kernels", "rows": 3})",
        R"({"kind": "bench kernels", "rows": [3, {"contenders": {"a": 1}}]})",
        R"({"kind": "bench accuracy", "conditions": {"a": 1}, "series": ["x", {"errors": 1}]})"}) {
    const BenchFile file("x", Json::parse(text));
    for (const auto& row : kernel_bench(file).rows) {
      EXPECT_TRUE(row.contenders.empty());
      EXPECT_TRUE(std::isnan(row.best_ratio));
    }
    for (const auto& series : accuracy_bench(file).series) {
      EXPECT_EQ(series.errors.size(), accuracy_bench(file).conditions.size());
    }
  }
  EXPECT_FALSE(is_kernel_bench({"x", Json::parse("[1]")}));
}

}  // namespace
}  // namespace muonflow::report
