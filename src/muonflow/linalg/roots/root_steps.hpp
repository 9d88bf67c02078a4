// Coefficients of coupled iterations for inverse p-th roots, each step the best of its family on
// the interval that the eigenvalues then fill.
//
// A step multiplies x = lambda^(1/p) by w(x^p), w(t) = (alpha + beta t) / (1 + gamma t), and steers
// x to 1; the product of all w is then lambda^(-1/p). The greedy minimax choice (equal extrema of
// |1 - x w(x^p)|) makes the composition as good as any of its length for p = 2, where it is QDWH up
// to a scaling (Nakatsukasa, Bai, Gygi 2010), and near that for p > 2 (Gawlik, arXiv:1903.06268).
// Tables made for one interval fail beyond it; these are made for the interval at hand.
#pragma once

#include <vector>

namespace muonflow::linalg {

enum class RootFamily {
  polynomial,  // gamma = 0: products only; slope near 2.6 for small x, order 2 in the end
  rational,    // one inverse a step; four steps for eigenvalues in [1e-12, 1], order 3 in the end
};

struct RootStep {
  double alpha = 1;
  double beta = 0;
  double gamma = 0;
  double error = 0;  // after the step every x lies in [1 - error, 1 + error]

  double operator()(double t) const { return (alpha + beta * t) / (1 + gamma * t); }
};

// Steps for eigenvalues in [lower, upper], until the error is at most `tolerance`; the first step
// carries the scaling. p > 1 for the rational family, p > 0 for the polynomial one. Throws
// ConfigError for anything but 0 < lower <= upper < inf and a tolerance of at least 1e-18. About 10
// microseconds.
std::vector<RootStep> root_steps(double p, double lower, double upper, double tolerance,
                                 RootFamily family);

}  // namespace muonflow::linalg
