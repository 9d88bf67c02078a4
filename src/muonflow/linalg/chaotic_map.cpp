#include "muonflow/linalg/chaotic_map.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "muonflow/linalg/detail/guarded_norm.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/polar/newton_schulz.hpp"

namespace muonflow::linalg {
namespace {

double one_step(double x, double gain) {
  const double rest = 1 - x * x;
  return gain * x * rest * rest;
}

}  // namespace

void ChaoticMap::fields(FieldVisitor& v) {
  v.integer("ns_steps", ns_steps, {.lo = 0, .hi = 1000}, "steps of the map");
  v.real("gain", gain, kPositive, "of every step; chaotic and bounded near 4.1");
  v.real("divisor", divisor, kPositive, "divides the result");
  v.real("eps", eps, kNonNegative, "added to the norm that the matrix is divided by");
}

double chaotic_value(double x, const ChaoticMap& options) {
  for (std::int64_t step = 0; step < options.ns_steps; ++step) x = one_step(x, options.gain);
  return x / options.divisor;
}

double rounding_growth(const ChaoticMap& options) {
  constexpr int kPoints = 1 << 16;
  double largest = 1;
  for (int i = 0; i <= kPoints; ++i) {
    double x = static_cast<double>(i) / kPoints;
    double slope = 1;  // the largest of any last steps so far
    for (std::int64_t step = 0; step < options.ns_steps; ++step) {
      const double square = x * x;
      slope = std::max(1.0, slope) * options.gain * std::abs((1 - square) * (1 - 5 * square));
      x = one_step(x, options.gain);
    }
    largest = std::max(largest, slope);
  }
  return largest / options.divisor;
}

template <class T>
Outcome chaotic_map(MatrixRef<T> x, const ChaoticMap& options, Workspace<T>& workspace) {
  const auto [norm, settled] = detail::guarded_norm<T>(x);
  if (settled) return *settled;
  // gain x (1 - x^2)^2 is a quintic, so that a step is one of the polynomial iteration's.
  Scratch::Frame frame(workspace);
  const std::span<OddPolynomial> steps = frame.values<OddPolynomial>(options.ns_steps);
  std::fill(steps.begin(), steps.end(),
            OddPolynomial{options.gain, -2 * options.gain, options.gain});
  if (!steps.empty()) {
    for (double& c : steps.back().coefficients) c /= options.divisor;
  }
  const double last = steps.empty() ? options.divisor : 1;
  return newton_schulz<T>(
      x,
      {.steps = steps, .divisor = (norm + options.eps) * last, .formulation = Formulation::direct},
      workspace);
}

template Outcome chaotic_map<float>(MatrixRef<float>, const ChaoticMap&, Workspace<float>&);
template Outcome chaotic_map<double>(MatrixRef<double>, const ChaoticMap&, Workspace<double>&);

}  // namespace muonflow::linalg
