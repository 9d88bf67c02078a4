// A power of two that brings a positive number into [1, 2): scaling by it rounds nothing.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace muonflow::linalg::detail {

// 1 for zero, NaN and infinity; clamped so that the scale itself is a normal number. T is float or
// double.
template <class T>
T power_scale(T largest) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr int kDigits = std::numeric_limits<T>::digits - 1;               // of the mantissa
  constexpr Bits kInfinity = 2 * std::numeric_limits<T>::max_exponent - 1;  // as an exponent
  const Bits exponent = std::bit_cast<Bits>(largest) >> kDigits;
  if (!(largest > 0) || exponent == kInfinity) return 1;
  return std::bit_cast<T>((kInfinity - 1 - std::clamp<Bits>(exponent, 1, kInfinity - 2))
                          << kDigits);
}

}  // namespace muonflow::linalg::detail
