// How work on rows is cut: elementwise work by what is worth a thread's while, sums over rows by
// their number alone.
#pragma once

#include <algorithm>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

inline Index row_grain(Index cols) {
  constexpr Index kElements = 16384;  // about 10 microseconds of memory traffic
  return std::max<Index>(1, kElements / std::max<Index>(1, cols));
}

// Sums over rows: at most 16 parts, each summed over runs of kRowRun rows in T and those in double,
// then the parts in order. Threads share out the parts and change no bit.
inline constexpr Index kRowRun = 64;

inline Index row_parts(Index rows) {
  constexpr Index kMostParts = 16;
  return std::clamp<Index>(rows / kRowRun, 1, kMostParts);
}

}  // namespace muonflow::nn::detail
