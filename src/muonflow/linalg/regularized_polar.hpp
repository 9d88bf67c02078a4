// The regularized polar map, x (x^T x + epsilon^2 I)^(-1/2): every singular value s becomes
// s / sqrt(s^2 + epsilon^2). The gradient of the smoothed nuclear norm and the velocity of the
// regularized Muon flow (arXiv:2605.23871).
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// `reference` always takes the SVD in double. `automatic` takes a symmetric eigendecomposition of
// the small Gram matrix in double where that is accurate to the dtype: float with epsilon at least
// 1e-4 of the largest singular value (its error is about u_double (s_max / epsilon)^2).
enum class RegularizedKernel { automatic, reference };

// In place; x [m, n], rows may lie apart. Relative error (Frobenius): near the unit roundoff of
// float for float input while s_max / epsilon < 1e8; for double about u max(1, s_max / epsilon),
// which is the condition of the map itself (its Lipschitz constant is 1 / epsilon). Singular values
// at the level of the decomposition's own error count as zero, and with epsilon = 0 those below
// `support_cutoff`: the result is then the polar factor on the numerical support.
//
// Same bits for any number of threads. Not finite entries: non_finite_input, x unchanged. Throws
// ConfigError for a negative or NaN epsilon.
template <class T>
Outcome regularized_polar(MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
                          RegularizedKernel kernel = RegularizedKernel::automatic);

// sqrt(s^2 + epsilon^2) - epsilon for one singular value, without cancellation, overflow or
// underflow.
double smoothed_value(double s, double epsilon);

// regularized_polar together with the value of the smoothed nuclear norm of the input, from one
// decomposition.
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
