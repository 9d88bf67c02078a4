// Documents of benchmarks, made up.
#pragma once

#include <nlohmann/json.hpp>

#include "muonflow/report/bench/bench_file.hpp"

namespace muonflow::test {

inline Json contender(const std::string& name, double median, double ratio) {
  return {{"name", name},
          {"ours", name == "muonflow"},
          {"same_precision", name != "half"},
          {"samples", {median, median}},
          {"median", median},
          {"spread", 0.05},
          {"gflops", 0.9 / median},
          {"fraction_of_peak", 0.9 / median / 100},
          {"error", 1.5e-6},
          {"ratio", ratio}};
}

inline report::BenchFile kernel_document(const std::string& title = "polar by 5 quintic steps") {
  const Json first{
      {"work", "polar"},
      {"title", title},
      {"size", "512 x 512"},
      {"count", 1},
      {"flops", 0.9e9},
      {"contenders",
       {contender("muonflow", 0.010, 1), contender("oneDNN, plain products", 0.015, 1.5),
        contender("half", 0.008, 0.8)}},
      {"best_rival", "oneDNN, plain products"},
      {"best_ratio", 1.5}};
  Json second = first;
  second["title"] = "batch";
  second["size"] = "1,000 of 4 x 8";
  second["count"] = 1000;
  second["best_ratio"] = 3.25;
  return {"bench.json", Json{{"format", 1},
                             {"kind", "bench kernels"},
                             {"created", "2026-01-02T03:04:05Z"},
                             {"threads", 2},
                             {"machine", {{"processor", "A processor of two cores"}}},
                             {"peak_gflops", {{"float", 123.4}, {"double", 61.7}}},
                             {"rounds", 11},
                             {"rows", {first, second}}}};
}

inline report::BenchFile accuracy_document() {
  Json series = Json::array();
  for (const char* dtype : {"float32", "float64"}) {
    series.push_back({{"name", "jordan"}, {"dtype", dtype}, {"errors", {0.3, 0.3, 0.5}}});
    series.push_back({{"name", "svd"}, {"dtype", dtype}, {"errors", {1e-8, nullptr, 0.0}}});
  }
  return {"accuracy.json", Json{{"format", 1},
                                {"kind", "bench accuracy"},
                                {"size", 64},
                                {"steps", 5},
                                {"epsilon", 0.01},
                                {"conditions", {1.0, 1e3, 1e6}},
                                {"series", series}}};
}

}  // namespace muonflow::test
