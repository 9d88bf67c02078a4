#include "muonflow/linalg/roots/root_steps.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::linalg {
namespace {

// w(t) / alpha = (1 + b t + d t^2) / (1 + c t); c = 0 for the polynomial family, d = 0 for the
// rational one.
struct StepShape {
  double b = 0;
  double c = 0;
  double d = 0;
};

// x w(x^p) / alpha at t = exp(v), x = t^(1/p), and its logarithm.
double value(double p, const StepShape& s, double v) {
  const double t = std::exp(v);
  return std::exp(v / p) * (1 + t * (s.b + s.d * t)) / (1 + s.c * t);
}
double log_value(double p, const StepShape& s, double v) {
  const double t = std::exp(v);
  return v / p + std::log1p(t * (s.b + s.d * t)) - std::log1p(s.c * t);
}

// x w(x^p) has four extrema on t in [exp(-width), 1]: the ends and two points between. Its
// derivative's numerator is quadratic in t, 1 + (p + 1) b t + (2 p + 1) d t^2 for a polynomial and
// 1 + ((p + 1) b - (p - 1) c) t + b c t^2 for a fraction, so that the inner extrema t = exp(v1),
// exp(v2), its roots, determine the shape.
StepShape shape_of(double p, double v1, double v2, RootFamily family) {
  const double product = std::exp(-v1 - v2);         // of the roots' reciprocals
  const double sum = std::exp(-v1) + std::exp(-v2);  // and their sum
  if (family == RootFamily::polynomial) return {-sum / (p + 1), 0, product / (2 * p + 1)};
  const double c = (sum + std::sqrt(sum * sum + 4 * (p * p - 1) * product)) / (2 * (p - 1));
  return {product / c, c, 0};
}

struct Extrema {
  double v1 = 0;
  double v2 = 0;
};

// How far the two minima and the two maxima are from being equal: in logarithms for fractions,
// which are positive; a polynomial on its way may not be.
Extrema mismatch(double p, double width, RootFamily family, const Extrema& at) {
  const StepShape s = shape_of(p, at.v1, at.v2, family);
  const auto size = [&](double v) {
    return family == RootFamily::rational ? log_value(p, s, v) : value(p, s, v);
  };
  return {size(-width) - size(at.v2), size(at.v1) - size(0)};
}

// Newton's method on the logarithms of the inner extrema, at most a fifth of the interval a step.
Extrema level(double p, double width, RootFamily family, Extrema at) {
  constexpr int kLimit = 60;
  for (int iteration = 0; iteration < kLimit; ++iteration) {
    const double e = 1e-5 * width;
    const Extrema f = mismatch(p, width, family, at);
    const Extrema f1 = mismatch(p, width, family, {at.v1 + e, at.v2});
    const Extrema f2 = mismatch(p, width, family, {at.v1, at.v2 + e});
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

// The inner extrema of the best step on t in [exp(-width), 1]. On a narrow interval they are those
// of a Chebyshev cubic, at 1/4 and 3/4 in the logarithm; the interval is widened from there, each
// answer the next start.
Extrema best(double p, double width, RootFamily family) {
  double now = std::min(width, 0.1);
  Extrema at{-0.75 * now, -0.25 * now};
  for (;;) {
    at = level(p, now, family, at);
    if (now >= width) return at;
    const double next = std::min(width, 1.4 * now);
    at.v1 *= next / now;
    at.v2 *= next / now;
    now = next;
  }
}

// The step for x in [1 - e, 1 + e] with p e small: t^(-1/p) to order 2 at 1, as a polynomial or a
// fraction (Halley's), with the bound of its first error term and a tenth more.
RootStep final_step(double p, double e, RootFamily family) {
  RootStep step;
  if (family == RootFamily::polynomial) {
    const double bend = (p + 1) / (2 * p * p);
    step = {.alpha = 1 + 1 / p + bend, .beta = -1 / p - 2 * bend, .delta = bend};
    step.error = 1.1 * (p + 1) * (2 * p + 1) / 6 * e * e * e;
  } else {
    const double ratio = (p + 1) / (p - 1);
    step = {.alpha = ratio, .beta = 1, .gamma = ratio};
    step.error = 1.1 * (p * p - 1) / 12 * e * e * e;
  }
  return step;
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
  constexpr std::size_t kMost = 100;
  while (steps.empty() || (error > tolerance && steps.size() < kMost)) {
    if (family == RootFamily::polynomial && !steps.empty() && high - low > 0.5) {
      // The upper end is where a polynomial is steepest, and each step's maps to the next one's: an
      // error of u there would grow twentyfold a step and leave the interval after ten.
      constexpr double kMargin = 1e-3;
      high += kMargin;
      low -= kMargin;
    }
    const double width = high - low;
    RootStep step;
    if (width < kNarrow) {
      // Scaled so that the middle of x is 1, which after a first step it is.
      const double scale = -high + p * std::log1p(error);
      step = final_step(p, error, family);
      step.alpha *= std::exp(scale / p);
      step.beta *= std::exp(scale + scale / p);
      step.gamma *= std::exp(scale);
      step.delta *= std::exp(2 * scale + scale / p);
      low = p * std::log1p(-step.error);
      high = p * std::log1p(step.error);
    } else {
      const Extrema at = best(p, width, family);
      const StepShape s = shape_of(p, at.v1, at.v2, family);
      // All four extrema: the bound holds whatever the search has left between them.
      const double largest = std::log(std::max(value(p, s, at.v1), value(p, s, 0)));
      const double least = std::log(std::min(value(p, s, -width), value(p, s, at.v2)));
      // x w(x^p) in [1 - error, 1 + error]: the middle of the extrema becomes 1.
      const double spread = std::tanh((largest - least) / 2);
      const double log_scale = std::log1p(spread) - largest;
      step.alpha = std::exp(log_scale - high / p);
      step.beta = step.alpha * s.b * std::exp(-high);
      step.gamma = s.c * std::exp(-high);
      step.delta = step.alpha * s.d * std::exp(-2 * high);
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
