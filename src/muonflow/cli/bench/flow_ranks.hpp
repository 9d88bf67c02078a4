// What a second process brings to a flow: this program itself, once alone and once started by
// mpirun with two ranks, every process on one thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>

#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

// Prints a line to `text`; off, with a line that says why, where it cannot be done.
std::optional<Json> compare_ranks(std::int64_t rounds, std::FILE* text);

}  // namespace muonflow::cli
