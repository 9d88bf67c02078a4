// How many rows of elementwise work are worth a thread's while.
#pragma once

#include <algorithm>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

inline Index row_grain(Index cols) {
  constexpr Index kElements = 16384;  // about 10 microseconds of memory traffic
  return std::max<Index>(1, kElements / std::max<Index>(1, cols));
}

}  // namespace muonflow::nn::detail
