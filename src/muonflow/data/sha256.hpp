// SHA-256 (FIPS 180-4), to know that a data set is the one that results speak of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace muonflow::data {

// The digest as 64 hexadecimal digits.
std::string sha256(std::span<const std::uint8_t> bytes);

}  // namespace muonflow::data
