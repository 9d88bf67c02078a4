// Coefficients of coupled iterations for inverse p-th roots, each step the best of its family on
// the interval that the eigenvalues then fill.
//
// A step multiplies x = lambda^(1/p) by w(x^p), w(t) = (alpha + beta t + delta t^2) / (1 + gamma
// t), and steers x to 1; the product of all w is then lambda^(-1/p). The greedy minimax choice
// (equal extrema of |1 - x w(x^p)|) makes the composition the best of its length for p = 2, where
// it is QDWH up to a scaling (Nakatsukasa, Bai, Gygi 2010) or the quintics of arXiv:2505.16932, and
// a good one for p > 2 (compare Gawlik, arXiv:1903.06268). Tables made for one interval fail beyond
// it; these are made for the interval at hand.
#pragma once

#include <vector>

namespace muonflow::linalg {

enum class RootFamily {
  polynomial,  // gamma = 0: products alone; a slope of 8 for small x and p = 2, order 3 in the end
  rational,    // delta = 0: an inverse a step; five steps for [1e-12, 1], order 3 in the end
};

struct RootStep {
  double alpha = 1;
  double beta = 0;
  double gamma = 0;
  double delta = 0;
  double error = 0;  // after the step every x lies in [1 - error, 1 + error]

  double operator()(double t) const { return (alpha + t * (beta + t * delta)) / (1 + gamma * t); }
};

// Steps for eigenvalues in [lower, upper], until the error is at most `tolerance` (or, which no
// interval that doubles can hold has been seen to need, after 100 of them); the first step
// carries the scaling. p > 1 for the rational family, p > 0 for the polynomial one. Throws
// ConfigError for anything but 0 < lower <= upper < inf and a tolerance of at least 1e-18. About 10
// microseconds a step.
std::vector<RootStep> root_steps(double p, double lower, double upper, double tolerance,
                                 RootFamily family);

}  // namespace muonflow::linalg
