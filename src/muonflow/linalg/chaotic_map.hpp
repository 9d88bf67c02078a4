// Kaon's map, X <- gain (I - X X^T)^2 X a few times: singular values x are thrown about by the
// chaotic x -> gain x (1 - x^2)^2 and end anywhere in [0, divisor], a stand-in for any spectrum
// ("Muon is not that special", arXiv:2605.11181).
#pragma once

#include <cstdint>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// The map's peak is 16 gain / (25 sqrt 5) at x = 1 / sqrt 5, 1.1735 for a gain of 4.1: hence the
// divisor. Up to a gain of about 4.26 the peak stays below sqrt(1 + 1 / sqrt(gain)), from where
// orbits leave for infinity.
struct ChaoticMap {
  std::int64_t ns_steps = 5;
  double gain = 4.1;
  double divisor = 1.175;
  double eps = 1e-12;  // added to the norm

  void fields(FieldVisitor& v);
};

// x [m, n] <- the steps of x / (||x||_F + eps), over the divisor; in place, rows may lie apart. On
// matrices all the way, never on their Gram matrix: there the small singular values, squared below
// the roundoff and then amplified by gain^10, would be wrong in the first digit.
//
// 3 r^2 N + r^3 flops a step, r = min(m, n), N = max(m, n). Same bits for any number of threads.
// Zero gives zero. Entries that are not finite: non_finite_input; orbits that leave the range of T:
// non_finite_result; x is unchanged in both.
template <class T>
Outcome chaotic_map(MatrixRef<T> x, const ChaoticMap& options, Workspace<T>& workspace);

// What the map does to one singular value of x / (||x||_F + eps).
double chaotic_value(double x, const ChaoticMap& options);

// How much larger a rounding error made in any one step can be in the result: the largest slope, up
// to sign, that any number of last steps has on the values that reach them from [0, 1], over the
// divisor. For the matrix the same number bounds the Frobenius norm of the error to first order,
// since the derivative of a composed odd map f multiplies the entries of the perturbation, in the
// singular bases, by difference quotients (f(x) - f(y)) / (x - y) and (f(x) + f(y)) / (x + y), none
// larger than its largest slope. Found on a grid of 2^16 points; for the defaults 1,200 (the slope
// 4.1^5 at 0 alone gives 986): three digits of the seven of a float, for good.
double rounding_growth(const ChaoticMap& options);

}  // namespace muonflow::linalg
