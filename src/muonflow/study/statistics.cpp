#include "muonflow/study/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "muonflow/core/rng.hpp"

namespace muonflow::study {
namespace {

// P(|t| <= sqrt(freedom) tan(theta)) for whole degrees of freedom (Abramowitz & Stegun 26.7.3-4).
double student_probability(std::int64_t freedom, double theta) {
  const double c = std::cos(theta), s = std::sin(theta);
  const bool odd = freedom % 2 == 1;
  double term = odd ? c : 1, sum = freedom == 1 ? 0 : term;
  for (std::int64_t k = odd ? 2 : 1; k <= freedom - 3; k += 2) {
    term *= c * c * static_cast<double>(k) / static_cast<double>(k + 1);
    sum += term;
  }
  return odd ? 2 / std::numbers::pi * (theta + s * sum) : s * sum;
}

}  // namespace

double student_quantile(std::int64_t freedom) {
  if (freedom < 1) return kNoValue;
  constexpr double kLevel = 0.95;
  double low = 0, high = std::numbers::pi / 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (student_probability(freedom, middle) < kLevel ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(freedom)) * std::tan(low);
}

Estimate mean_of(std::span<const double> values) {
  Estimate mean{.samples = static_cast<std::int64_t>(values.size())};
  if (values.empty()) return mean;
  const auto n = static_cast<double>(values.size());
  mean.value = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return mean;
  double squares = 0;
  for (const double v : values) squares += (v - mean.value) * (v - mean.value);
  const double half = student_quantile(mean.samples - 1) * std::sqrt(squares / (n - 1) / n);
  mean.low = mean.value - half;
  mean.high = mean.value + half;
  return mean;
}

Estimate largest_of(std::span<const double> values) {
  Estimate largest{.samples = static_cast<std::int64_t>(values.size())};
  for (const double v : values) {
    if (!std::isfinite(v)) return {.value = v, .samples = largest.samples};
    if (!(largest.value >= v)) largest.value = v;
  }
  return largest;
}

Estimate smallest_of(std::span<const double> values) {
  std::vector<double> negative(values.begin(), values.end());
  for (double& v : negative) v = -v;
  auto smallest = largest_of(negative);
  smallest.value = -smallest.value;
  return smallest;
}

Line fit_line(std::span<const double> x, std::span<const double> y) {
  Line line{.slope = {.samples = static_cast<std::int64_t>(x.size())}};
  if (x.size() < 2 || x.size() != y.size()) return line;
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  line.slope.value = xy / xx;
  line.intercept = mean_y - line.slope.value * mean_x;
  if (x.size() < 3) return line;
  double residual = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double r = y[i] - line.intercept - line.slope.value * x[i];
    residual += r * r;
  }
  const double half = student_quantile(line.slope.samples - 2) * std::sqrt(residual / (n - 2) / xx);
  line.slope.low = line.slope.value - half;
  line.slope.high = line.slope.value + half;
  return line;
}

Line fit_power(std::span<const double> x, std::span<const double> y) {
  const auto logs = [](std::span<const double> values) {
    std::vector<double> out;
    for (const double v : values) out.push_back(v > 0 ? std::log(v) : kNoValue);
    return out;
  };
  return fit_line(logs(x), logs(y));
}

Estimate bootstrap(std::span<const std::int64_t> counts, std::int64_t resamples, std::uint64_t seed,
                   const std::function<double(const Resample&)>& statistic) {
  Resample drawn;
  Estimate estimate;
  for (const auto count : counts) {
    auto& group = drawn.emplace_back(static_cast<std::size_t>(count));
    std::iota(group.begin(), group.end(), std::size_t{0});
    estimate.samples += count;
  }
  estimate.value = statistic(drawn);
  Rng rng(seed);
  std::vector<double> values(static_cast<std::size_t>(resamples));
  for (double& value : values) {
    for (auto& group : drawn) {
      for (auto& index : group) index = static_cast<std::size_t>(rng.below(group.size()));
    }
    value = statistic(drawn);
    if (!std::isfinite(value)) return estimate;
  }
  if (values.empty()) return estimate;
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    const double at = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const auto above = std::min(below + 1, values.size() - 1);
    return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
  };
  estimate.low = quantile(0.025);
  estimate.high = quantile(0.975);
  return estimate;
}

}  // namespace muonflow::study
