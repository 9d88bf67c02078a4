// The exact path for many tiny matrices: one-sided Jacobi rotations in double, 16 matrices to a
// vector. Each singular value comes out to its own relative accuracy where the matrix determines
// it; nothing is lost in a Gram matrix.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"

namespace muonflow::linalg {

// In place, every matrix of the batch: its polar factor on the numerical support (`support_cutoff`
// of polar.hpp); at most kMaxBatchedRows x kMaxBatchedCols, otherwise ShapeError. Error: some
// roundoffs of T (double: times about r). Any scale, from denormals to the largest number.
//
// Five to eight sweeps of r^2 / 2 rotations over rows of N + r, r = min(rows, cols), N = max(rows,
// cols), in double also for float: about 3 to 5 times the cost of a polynomial composition.
//
// Trouble concerns one matrix: entries that are not finite (non_finite_input), or rotations that do
// not end (not_converged; not seen). It is counted, left as it was, and disturbs no other: the bits
// of a result depend neither on the neighbours in the batch nor on the number of threads.
template <class T>
BatchOutcome batched_exact_polar(InterleavedBatch<T>& batch);
template <class T>
BatchOutcome batched_exact_polar(T* x, Index count, Index rows, Index cols);

// values [count, min(rows, cols)], each row descending; NaN for matrices in trouble. Throws
// ShapeError where the span has another size.
template <class T>
BatchOutcome batched_singular_values(const InterleavedBatch<T>& batch, std::span<double> values);

}  // namespace muonflow::linalg
