// Effect sizes with their intervals: means over seeds, slopes of fits, bootstraps.
//
// Every interval is a two-sided 95% one. Intervals by Student's t take the values to be independent
// and about normal; the bootstrap resamples whole replicas and asks for neither.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace muonflow::study {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

// A value and where it may lie; low and high are NaN where nothing is known of its spread.
struct Estimate {
  double value = kNoValue;
  double low = kNoValue, high = kNoValue;
  std::int64_t samples = 0;
};

// The t for which a variable of `freedom` >= 1 degrees of freedom exceeds |t| with probability 5%:
// 12.706 for 1, 1.960 for many. Exact to about 1e-12, from the finite sums for whole degrees.
double student_quantile(std::int64_t freedom);

// Mean of the values with its t interval; one value has no interval, none has no mean.
Estimate mean_of(std::span<const double> values);
// The largest value, no interval: for bounds that must hold at every seed. NaN where one is NaN.
Estimate largest_of(std::span<const double> values);
Estimate smallest_of(std::span<const double> values);

struct Line {
  Estimate slope;  // t interval of least squares, residuals taken independent
  double intercept = kNoValue;
};
// Least squares of y over x; two points have a slope without interval. NaN with fewer.
Line fit_line(std::span<const double> x, std::span<const double> y);
// The same of log y over log x. Values that are not positive leave no fit (NaN).
Line fit_power(std::span<const double> x, std::span<const double> y);

// Indices of one resample: a list a group.
using Resample = std::vector<std::vector<std::size_t>>;

// The percentile bootstrap of a statistic of independent groups of replicas, counts[g] of them in
// group g, each resampled within its group. The value is that of the replicas themselves. The same
// numbers for the same seed.
Estimate bootstrap(std::span<const std::int64_t> counts, std::int64_t resamples, std::uint64_t seed,
                   const std::function<double(const Resample&)>& statistic);

}  // namespace muonflow::study
