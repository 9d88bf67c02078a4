// One block of matrices through one-sided Jacobi rotations in double: the exact path.
#pragma once

#include <cstddef>
#include <cstdint>

#include "muonflow/linalg/batched/interleaved.hpp"

namespace muonflow::linalg::detail {

// What becomes of a singular value s.
enum class JacobiMap {
  values,       // nothing: the block stays as it is
  polar,        // 1 on the numerical support
  regularized,  // s / sqrt(s^2 + epsilon^2)
};

// Where results of a block go besides the block; 16 doubles each, aligned to 64 bytes.
struct JacobiPlaces {
  const double* epsilon = nullptr;  // for `regularized`
  double* potential = nullptr;      // for `regularized`
  double* pairing = nullptr;        // for `regularized`
  double* values = nullptr;         // [rows][16], in no order; may be null
};

struct JacobiResult {
  std::uint32_t non_finite = 0;
  std::uint32_t not_converged = 0;
};

// Works on the lanes of `mask` and leaves the others alone; block [rows][cols][16], rows <= cols.
template <class T>
std::size_t jacobi_scratch(Index rows, Index cols);
template <class T>
JacobiResult jacobi(T* block, Index rows, Index cols, std::uint32_t mask, JacobiMap map,
                    const JacobiPlaces& places, std::byte* scratch);

}  // namespace muonflow::linalg::detail
