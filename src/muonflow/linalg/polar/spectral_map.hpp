// A function on the singular values of a matrix, U diag(f(s)) V^T, by SVD in double.
#pragma once

#include <functional>
#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Changes s, descending, into f(s), in place.
using SpectralFunction = std::function<void(std::span<double> s)>;

// x [m, n] <- U diag(f(s)) V^T, in place; rows may lie apart. Float input is decomposed in double:
// the error is then that of one rounding. Not finite entries: non_finite_input, x unchanged; where
// the SVD does not converge: not_converged, x unchanged; where f(s) is not finite:
// non_finite_result, x unchanged. About 4 r^2 N + 22 r^3 flops on one thread, r = min(m, n), N =
// max(m, n).
template <class T>
Outcome map_singular_values(MatrixRef<T> x, const SpectralFunction& f, Scratch& scratch);

}  // namespace muonflow::linalg
