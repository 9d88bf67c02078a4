#include "muonflow/cli/bench/accuracy.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "muonflow/cli/bench/exact_map.hpp"
#include "muonflow/cli/bench/matrices.hpp"
#include "muonflow/cli/bench/work.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/regularized_polar.hpp"

namespace muonflow::cli {
namespace {

constexpr int kDecades = 8;

struct Errors {
  std::string name;
  std::vector<double> values;  // by condition; NaN where the method gave no result
};

double relative(const Matrix<double>& x, const Matrix<double>& exact) {
  return (x - exact).norm() / exact.norm();
}

// The errors are those of the method and its rounding alone: the exact result is that of the
// matrix as T stores it.
template <class T>
std::vector<Errors> errors_of(const BenchAccuracy& bench, const std::vector<double>& conditions) {
  constexpr auto& kMethods = EnumNames<linalg::PolarMethod>::names;
  std::vector<Errors> all;
  for (const auto& name : kMethods) all.push_back({std::string(name), {}});
  all.push_back({"regularized", {}});
  linalg::Workspace<T> workspace;
  for (const double condition : conditions) {
    const Matrix<T> a = with_condition(bench.size, bench.size, condition, 3).template cast<T>();
    const ExactSvd svd(a.template cast<double>());
    const auto judge = [&](Errors& errors, const Matrix<double>& exact, const auto& method) {
      Matrix<T> x = a;
      const Outcome outcome = method(x);
      errors.values.push_back(outcome.ok() ? relative(x.template cast<double>(), exact)
                                           : std::numeric_limits<double>::quiet_NaN());
    };
    const Matrix<double> polar = svd.map([](long double) { return 1.0L; });
    for (std::size_t m = 0; m < kMethods.size(); ++m) {
      const linalg::Polar options{.method = static_cast<linalg::PolarMethod>(m),
                                  .ns_steps = bench.steps};
      judge(all[m], polar, [&](MatrixRef<T> x) { return linalg::polar<T>(x, options, workspace); });
    }
    const double epsilon =
        kMapEpsilon * a.template cast<double>().norm() / std::sqrt(static_cast<double>(bench.size));
    const Matrix<double> regularized = svd.map(
        [&](long double s) { return s / std::hypot(s, static_cast<long double>(epsilon)); });
    judge(all.back(), regularized,
          [&](MatrixRef<T> x) { return linalg::regularized_polar<T>(x, epsilon, workspace); });
  }
  return all;
}

void print(std::FILE* text, const std::string& title, const std::vector<double>& conditions,
           const std::vector<Errors>& all) {
  fmt::print(text, "\n{:<22}", title);
  for (const double condition : conditions) fmt::print(text, " {:>8.0e}", condition);
  for (const auto& errors : all) {
    fmt::print(text, "\n{:<22}", errors.name);
    for (const double value : errors.values) {
      fmt::print(text, " {:>8}", std::isfinite(value) ? fmt::format("{:.1e}", value) : "-");
    }
  }
  fmt::print(text, "\n");
}

}  // namespace

int bench_accuracy(const BenchAccuracy& bench) {
  bench.output.prepare();
  std::vector<double> conditions;
  for (int decade = 0; decade <= kDecades; ++decade) conditions.push_back(std::pow(10.0, decade));
  const auto text = bench.output.text();
  fmt::print(
      text,
      "Distance to the exact factor of a {0} x {0} matrix over the norm of that, by condition "
      "number;\n{1} steps of the polynomial methods, epsilon {2} of the regularized map.\n",
      bench.size, bench.steps, kMapEpsilon);
  Json document = describe_bench("bench accuracy");
  document["size"] = bench.size;
  document["steps"] = bench.steps;
  document["epsilon"] = kMapEpsilon;
  document["conditions"] = conditions;
  document["series"] = Json::array();
  const auto add = [&](const std::string& dtype, const std::vector<Errors>& all) {
    print(text, dtype, conditions, all);
    for (const auto& errors : all) {
      document["series"].push_back(
          {{"name", errors.name}, {"dtype", dtype}, {"errors", errors.values}});
    }
  };
  add("float32", errors_of<float>(bench, conditions));
  add("float64", errors_of<double>(bench, conditions));
  bench.output.write(document);
  return 0;
}

}  // namespace muonflow::cli
