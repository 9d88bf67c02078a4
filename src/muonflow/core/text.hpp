// Small helpers for messages: the nearest known name, a number as people write it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muonflow {

// The candidate with the smallest edit distance to `name`; empty if none is close (more than half
// of it would change).
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// "a, b, c"
std::string join(std::span<const std::string> items, std::string_view separator = ", ");

// The shortest decimal that reads back as the same double: 0.95, 1e-07.
std::string shortest(double value);

}  // namespace muonflow
