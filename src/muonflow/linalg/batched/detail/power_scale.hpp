// A power of two that brings a positive number into [1, 2): scaling by it rounds nothing.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace muonflow::linalg::detail {

// 1 for zero, NaN and infinity; clamped so that the scale itself is a normal number.
inline double power_scale(double largest) {
  const auto exponent = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(largest) >> 52);
  if (!(largest > 0) || exponent == 0x7ff) return 1;
  const std::int64_t inverse = 2046 - std::clamp<std::int64_t>(exponent, 1, 2045);
  return std::bit_cast<double>(static_cast<std::uint64_t>(inverse) << 52);
}
inline float power_scale(float largest) {
  const auto exponent = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(largest) >> 23);
  if (!(largest > 0) || exponent == 0xff) return 1;
  const std::int32_t inverse = 254 - std::clamp<std::int32_t>(exponent, 1, 253);
  return std::bit_cast<float>(static_cast<std::uint32_t>(inverse) << 23);
}

}  // namespace muonflow::linalg::detail
