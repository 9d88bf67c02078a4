#include "muonflow/linalg/roots/root_steps.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::linalg {
namespace {

// log of x w(x^p) / alpha at t = exp(v), x = t^(1/p).
double log_value(double p, double b, double c, double v) {
  const double t = std::exp(v);
  return v / p + std::log1p(b * t) - std::log1p(c * t);
}

// x (1 + b x^p) / (1 + c x^p), its four extrema on t in [exp(-width), 1] being the two ends and two
// points between. Its derivative's numerator is 1 + ((p + 1) b - (p - 1) c) t + b c t^2, so that
// the inner extrema t = exp(v1), exp(v2) determine b and c: sum and product of the roots.
struct Shape {
  double b = 0;
  double c = 0;
};
Shape shape_of(double p, double v1, double v2) {
  const double product = std::exp(-v1 - v2);         // b c
  const double sum = std::exp(-v1) + std::exp(-v2);  // (p - 1) c - (p + 1) b
  const double c = (sum + std::sqrt(sum * sum + 4 * (p * p - 1) * product)) / (2 * (p - 1));
  return {product / c, c};
}

struct Extrema {
  double v1 = 0;
  double v2 = 0;
};

// How far the two minima and the two maxima are from being equal, in logarithms.
Extrema mismatch(double p, double width, const Extrema& at) {
  const Shape s = shape_of(p, at.v1, at.v2);
  return {log_value(p, s.b, s.c, -width) - log_value(p, s.b, s.c, at.v2),
          log_value(p, s.b, s.c, at.v1) - log_value(p, s.b, s.c, 0)};
}

// Newton's method on the logarithms of the inner extrema, at most a fifth of the interval a step.
Extrema level(double p, double width, Extrema at) {
  constexpr int kLimit = 60;
  for (int iteration = 0; iteration < kLimit; ++iteration) {
    const double e = 1e-5 * width;
    const Extrema f = mismatch(p, width, at);
    const Extrema f1 = mismatch(p, width, {at.v1 + e, at.v2});
    const Extrema f2 = mismatch(p, width, {at.v1, at.v2 + e});
    const double a11 = (f1.v1 - f.v1) / e;
    const double a21 = (f1.v2 - f.v2) / e;
    const double a12 = (f2.v1 - f.v1) / e;
    const double a22 = (f2.v2 - f.v2) / e;
    const double determinant = a11 * a22 - a12 * a21;
    const double d1 = (f.v1 * a22 - f.v2 * a12) / determinant;
    const double d2 = (a11 * f.v2 - a21 * f.v1) / determinant;
    const double length = std::max(std::abs(d1), std::abs(d2));
    const double damping = std::min(1.0, 0.2 * width / std::max(length, 1e-300));
    at.v1 -= damping * d1;
    at.v2 -= damping * d2;
    if (length <= 1e-9 * width) break;
  }
  return at;
}

// The best (1, 1) step on t in [exp(-width), 1]. On a narrow interval the inner extrema are those
// of a Chebyshev cubic, at 1/4 and 3/4 in the logarithm; the interval is widened from there, each
// answer the next start.
Shape rational_shape(double p, double width, double* inner_max) {
  double now = std::min(width, 0.1);
  Extrema at{-0.75 * now, -0.25 * now};
  for (;;) {
    at = level(p, now, at);
    if (now >= width) break;
    const double next = std::min(width, 1.4 * now);
    at.v1 *= next / now;
    at.v2 *= next / now;
    now = next;
  }
  *inner_max = at.v1;
  return shape_of(p, at.v1, at.v2);
}

// The best 1 + b t there (Gawlik; for p = 2 the cubic of arXiv:2506.10935): both ends equal.
Shape polynomial_shape(double p, double width, double* inner_max) {
  const double b = -std::expm1(-width / p) / std::expm1(-width * (1 + 1 / p));
  *inner_max = -std::log(-b * (p + 1));
  return {b, 0};
}

// The step for x in [1 - d, 1 + d] with p d small: Newton's, of order 2, or Halley's, of order 3,
// with the bound of their first error term and a tenth more.
RootStep final_step(double p, double d, RootFamily family) {
  if (family == RootFamily::polynomial) {
    return {(p + 1) / p, -1 / p, 0, 1.1 * (p + 1) / 2 * d * d};
  }
  const double ratio = (p + 1) / (p - 1);
  return {ratio, 1, ratio, 1.1 * (p * p - 1) / 12 * d * d * d};
}

}  // namespace

std::vector<RootStep> root_steps(double p, double lower, double upper, double tolerance,
                                 RootFamily family) {
  const double least_p = family == RootFamily::rational ? 1 : 0;
  if (!(p > least_p) || !(lower > 0) || !(upper >= lower) || std::isinf(upper) ||
      !(tolerance >= 1e-18)) {
    throw ConfigError({.what = "steps for an inverse root",
                       .expected = "p > " + shortest(least_p) + ", 0 < lower <= upper < inf and " +
                                   "a tolerance of at least 1e-18",
                       .found = "p " + shortest(p) + ", [" + shortest(lower) + ", " +
                                shortest(upper) + "], " + shortest(tolerance)});
  }
  // The best step is no longer worth its search: its error is a fourth of Halley's, and the
  // differences of its extrema drown in rounding on intervals a tenth of this.
  constexpr double kNarrow = 0.05;
  std::vector<RootStep> steps;
  double low = std::log(lower);  // of t
  double high = std::log(upper);
  double error = std::tanh((high - low) / (2 * p));
  while (steps.empty() || error > tolerance) {
    const double width = high - low;
    RootStep step;
    if (width < kNarrow) {
      // Scaled so that the middle of x is 1, which after a first step it is.
      const double scale = -high + p * std::log1p(error);
      step = final_step(p, error, family);
      step.alpha *= std::exp(scale / p);
      step.beta *= std::exp(scale + scale / p);
      step.gamma *= std::exp(scale);
      low = p * std::log1p(-step.error);
      high = p * std::log1p(step.error);
    } else {
      double inner_max = 0;
      const Shape s = family == RootFamily::rational ? rational_shape(p, width, &inner_max)
                                                     : polynomial_shape(p, width, &inner_max);
      const double largest = log_value(p, s.b, s.c, inner_max);
      const double least = log_value(p, s.b, s.c, -width);
      // x w(x^p) in [1 - error, 1 + error]: the middle of the extrema becomes 1.
      const double spread = std::tanh((largest - least) / 2);
      const double log_scale = std::log1p(spread) - largest;
      step.alpha = std::exp(log_scale - high / p);
      step.beta = step.alpha * s.b * std::exp(-high);
      step.gamma = s.c * std::exp(-high);
      step.error = spread;
      low = p * (least + log_scale);
      high = p * std::log1p(spread);
    }
    error = step.error;
    steps.push_back(step);
  }
  return steps;
}

}  // namespace muonflow::linalg
