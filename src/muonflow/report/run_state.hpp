// How far a run came, in words.
#pragma once

#include <string>

#include "muonflow/record/reader.hpp"

namespace muonflow::report {

// Empty for a run that finished; otherwise "no end recorded: it is still going or was cut off, at
// step 120 of 300", "interrupted at ...", "stopped at ...: a value was not finite". `total` may be
// NaN.
std::string run_state(const record::RunReader& reader, double reached, double total,
                      const std::string& unit);

}  // namespace muonflow::report
