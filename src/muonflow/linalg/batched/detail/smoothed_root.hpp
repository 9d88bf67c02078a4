// One block of float matrices through the regularized polar map, in double inside: the Gram matrix,
// the inverse root by partial fractions, one product.
#pragma once

#include <cstdint>

#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/batched/partial_fractions.hpp"

namespace muonflow::linalg::detail {

struct SmoothedRootResult {
  std::uint32_t non_finite = 0;
  std::uint32_t left = 0;  // epsilon too small (or too far from 1): left as they were
};

// block [rows][cols][16], rows <= cols <= kMaxBatchedCols; sixteen values of epsilon, potential and
// pairing. `scratch` holds smoothed_root_scratch(rows, cols) bytes, aligned to 64.
std::size_t smoothed_root_scratch(Index rows, Index cols);
SmoothedRootResult smoothed_root(float* block, Index rows, Index cols, const double* epsilon,
                                 const PartialFractionsTable& table, double* potential,
                                 double* pairing, std::byte* scratch);

}  // namespace muonflow::linalg::detail
