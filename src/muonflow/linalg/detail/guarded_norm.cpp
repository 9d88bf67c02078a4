#include "muonflow/linalg/detail/guarded_norm.hpp"

#include <cmath>

#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg::detail {

template <class T>
GuardedNorm guarded_norm(MatrixRef<T> x) {
  if (x.size() == 0) return {.settled = Outcome{}};
  const double norm = frobenius_norm<T>(x);
  if (!std::isfinite(norm)) {
    const Status status = all_finite<T>(x) ? Status::non_finite_result : Status::non_finite_input;
    return {.norm = norm, .settled = Outcome{.status = status, .changed = false}};
  }
  if (norm > 0) return {.norm = norm};
  x.setZero();
  return {.settled = Outcome{}};
}

template GuardedNorm guarded_norm<float>(MatrixRef<float>);
template GuardedNorm guarded_norm<double>(MatrixRef<double>);

}  // namespace muonflow::linalg::detail
