// Coefficients made to measure: the odd polynomials, composed step by step, that bring every
// singular value of an interval as near to 1 as polynomials of their degree can.
//
// At every step the odd polynomial of the given degree that minimizes max |1 - p(x)| over the
// current interval [l, u] (Remez's exchange in long double) maps it to [p(l), 2 - p(l)], on which
// the next step is fitted. A composition of such greedy steps is the best composition of
// polynomials of these degrees (N. Amsel, D. Persson, C. Musco, R. Gower, arXiv:2505.16932).
// Degree 3 has a closed form (E. Grishina et al., arXiv:2506.10935), which the exchange reproduces.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg {

// The optimal odd polynomial on one interval.
struct Minimax {
  OddPolynomial polynomial;
  double error = 0;  // max |1 - p(x)|, reached with alternating signs at (degree + 3) / 2 points
};

// 0 < lower <= upper, degree odd in [3, 15]; throws ConfigError otherwise. As the interval closes
// on a point c this tends to the Newton-Schulz polynomial of that degree in x / c, the Taylor
// polynomial of 1 / sqrt(1 - z) with z = 1 - x^2: (1.5, -0.5), (1.875, -1.25, 0.375), ...
Minimax minimax(double lower, double upper, int degree);

// Two guards make a composition safe to evaluate in floating point.
//
// The safety factor s: every step but the last is taken at x / s, so that values up to s u do no
// harm. An optimal step has slope degree^2 at the upper end of a wide interval and maps that end to
// the next one's, so a roundoff there grows by as much at every step and a long composition
// diverges (25^9 is 4e12). The default is far above the roundoff of float and costs nothing that
// could be seen.
inline constexpr double kRoundingSafety = 1.0001;

// The cushion c: each step is fitted on [max(l, c u), u] and then scaled so that its values on
// [l, u] lie evenly about 1 again. Without it a step pushes some large values down to the level of
// p(l), where the rounding of large terms drowns them. The default is that of the published Polar
// Express table; it makes steps weaker at l by 2 to 3%.
inline constexpr double kCushion = 0.02407327424182761;

// A composition. The published Polar Express tables are lower 1e-3, the default cushion, safety 1
// (raw), and lower 1e-3, cushion 0.02, safety 1.02, steps 5 (microsoft/dion, karpathy/nanochat).
struct Generate {
  double lower = 1e-3;
  double upper = 1;
  std::int64_t degree = 5;
  std::int64_t steps = 5;
  double safety = kRoundingSafety;
  double cushion = kCushion;

  void fields(FieldVisitor& v);
};

// First applied first. Throws ConfigError where lower > upper or the degree is even.
std::vector<OddPolynomial> generate(const Generate& options);

// The fewest greedy steps, with both guards, that bring [lower, upper] to within `error` of 1; none
// if it is there already. Errors below 2^-50 count as 2^-50: the coefficients are doubles.
std::vector<OddPolynomial> generate_to(double lower, double upper, int degree, double error,
                                       double cushion = kCushion);

// Their number for [lower, 1].
std::int64_t steps_for(double lower, int degree, double error, double cushion = kCushion);

// Smallest and largest value of the composition on [lower, upper], exact to the roundings of long
// double: an interval's image is again an interval, whose ends lie at critical points of one step.
std::pair<double, double> composition_range(std::span<const OddPolynomial> steps, double lower,
                                            double upper);

// max |1 - p(x)| of the composition on [lower, upper].
double composition_error(std::span<const OddPolynomial> steps, double lower, double upper);

}  // namespace muonflow::linalg
