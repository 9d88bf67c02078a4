// The regularized polar map, x (x^T x + epsilon^2 I)^(-1/2): every singular value s becomes
// s / sqrt(s^2 + epsilon^2). The gradient of the smoothed nuclear norm and the velocity of the
// regularized Muon flow (arXiv:2605.23871).
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// `reference` always takes the SVD in double. `automatic` iterates by products alone on the
// augmented matrix [x, epsilon I], whose smallest singular value is at least epsilon, so that the
// number of steps is known in advance (polar/newton_schulz.hpp): in float for float, in double for
// double and for float where epsilon is small or the matrix has no more than 32 rows or columns.
// Below 1e-7 of the norm of [x, epsilon I] it takes the SVD.
enum class RegularizedKernel { automatic, reference };

// In place; x [m, n], rows may lie apart. Relative error (Frobenius), u the unit roundoff of T:
//   reference  rounding to T, and the decomposition's own error u_double s_max / epsilon;
//   automatic  2 u (32 + s_max / (4 epsilon)), in float at most 1.6e-4; float matrices of up to
//              32 rows or columns as with `reference`.
// s_max / epsilon is the condition of the map itself (its Lipschitz constant is 1 / epsilon).
// By SVD, singular values at the level of the decomposition's own error count as zero, and with
// epsilon = 0 those below `support_cutoff`: the result is then the polar factor on the support.
//
// Same bits for any number of threads. Not finite entries: non_finite_input, x unchanged. Throws
// ConfigError for a negative or NaN epsilon.
template <class T>
Outcome regularized_polar(MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
                          RegularizedKernel kernel = RegularizedKernel::automatic);

// sqrt(s^2 + epsilon^2) - epsilon for one singular value, without cancellation, overflow or
// underflow.
double smoothed_value(double s, double epsilon);

// regularized_polar, the same bits, together with the value of the smoothed nuclear norm of the
// input, from quantities that the iteration or the decomposition has at hand.
struct RegularizedPolar {
  Outcome outcome;
  double potential =
      0;               // sum of sqrt(s^2 + epsilon^2) - epsilon over the min(m, n) singular values
  double pairing = 0;  // <x, result> = sum of s^2 / sqrt(s^2 + epsilon^2)
};
template <class T>
RegularizedPolar regularized_polar_with_potential(
    MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
    RegularizedKernel kernel = RegularizedKernel::automatic);

// By any polar method: for wide x the first n columns of the polar factor of [x, epsilon I] are the
// regularized polar factor of x, and the singular values of [x, epsilon I] are at least epsilon.
// The svd method is the exact map above; a polynomial method is as exact as its polynomial.
template <class T>
Outcome regularized_polar_by(MatrixRef<T> x, double epsilon, const Polar& options,
                             Workspace<T>& workspace);

}  // namespace muonflow::linalg
