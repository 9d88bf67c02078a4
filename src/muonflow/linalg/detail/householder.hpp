// Householder's QR in blocks, with the work in our own products: LAPACK's spends a third of the
// time of its products in blocks of 32 columns.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg::detail {

// x [m, n], m >= n, finite, contiguous, <- the orthonormal factor of x = q r with the diagonal of r
// not negative. Columns that depend on those before them become orthonormal ones. (8/3) n^3 flops
// for m = n; the same bits for any number of threads.
template <class T>
void orthonormal_factor(MatrixRef<T> x, Scratch& scratch);

// Columns from which on that is faster than LAPACK.
inline constexpr Index kWorthBlocks = 256;

}  // namespace muonflow::linalg::detail
