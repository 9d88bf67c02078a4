// One block of matrices through the regularized polar map: reduced to bidiagonal form, mapped by
// partial fractions, and expanded again.
#pragma once

#include <cstdint>

#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/batched/partial_fractions.hpp"

namespace muonflow::linalg::detail {

struct SmoothedRootResult {
  std::uint32_t non_finite = 0;
  std::uint32_t left = 0;  // epsilon is too small for the table: left as they were
};

// One block [rows][cols][16], rows <= cols <= kMaxBatchedCols, and sixteen of each value.
template <class T>
struct SmoothedRootBlock {
  T* entries;
  Index rows, cols;
  const double* epsilon;
  double* potential;
  double* pairing;
  // Float: the largest condition ||M||^2 tr (A^-1/2) / (rows <M, X>), A = M M^T + epsilon^2 I, for
  // which the reduction may be done in float. u times this is the relative error that its rounding
  // makes of X (measured over spectra of all kinds: 0.3 to 2 times on average, 15 times at most);
  // a matrix beyond is reduced in double.
  double most_amplified = 0;
};

// The result errs by the table's error, by what `most_amplified` allows, and by some 8 roundoffs of
// T (double: times the condition of the map). `scratch` holds smoothed_root_scratch(rows, cols)
// bytes, aligned to 64.
std::size_t smoothed_root_scratch(Index rows, Index cols);
template <class T>
SmoothedRootResult smoothed_root(const SmoothedRootBlock<T>& block,
                                 const PartialFractionsTable& table, std::byte* scratch);

}  // namespace muonflow::linalg::detail
