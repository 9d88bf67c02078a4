// Odd quintic steps on the singular values of a matrix, by products alone.
#pragma once

#include <cstdint>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// The step-th coefficients (from 0) of a polynomial method; not for PolarMethod::svd.
Quintic quintic_step(PolarMethod method, std::int64_t step);

// x [m, n] <- polynomial steps of x / (norm guarded by eps), as Polar describes them; in place.
template <class T>
Outcome newton_schulz(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace);

}  // namespace muonflow::linalg
