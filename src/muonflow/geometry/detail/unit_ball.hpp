// Whether a norm is at most 1 but for rounding.
#pragma once

#include <algorithm>
#include <limits>

#include "muonflow/core/matrix.hpp"

namespace muonflow::geometry::detail {

// The norm of a gradient is at most 1 exactly; computed, it exceeds 1 by the error of one
// decomposition, some max(m, n) roundoffs.
template <class T>
bool in_unit_ball(double norm, const ConstMatrixRef<T>& x) {
  const auto size = static_cast<double>(std::max<Index>(8, std::max(x.rows(), x.cols())));
  return norm <= 1 + 4 * size * static_cast<double>(std::numeric_limits<T>::epsilon());
}

}  // namespace muonflow::geometry::detail
