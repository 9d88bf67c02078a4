// The norm that an iteration divides its input by, with the inputs that need no iteration settled.
#pragma once

#include <optional>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"

namespace muonflow::linalg::detail {

struct GuardedNorm {
  double norm = 0;  // ||x||_F, positive and finite where nothing is settled
  std::optional<Outcome> settled = {};
};

// An empty x is done. Zero is done too: its zeros become positive, whatever their signs. Entries
// that are not finite: non_finite_input; finite ones whose norm is beyond the largest double, and
// which therefore cannot be divided by it: non_finite_result; x is unchanged in both.
template <class T>
GuardedNorm guarded_norm(MatrixRef<T> x);

}  // namespace muonflow::linalg::detail
