// The kernel plan that `muonflow doctor --calibrate` measured, kept in the user's cache folder for
// the processor it was measured on.
#pragma once

#include "muonflow/linalg/plan.hpp"

namespace muonflow::cli {

// Puts the kept plan in force. Nothing happens where there is none or it is another processor's;
// one that cannot be read is told in a line on stderr and left out.
void use_cached_plan();

// Throws IoError, or ConfigError where no variable names a cache folder.
void keep_plan(const linalg::PlanTable& table);

// Removes it; the built-in one is in force again.
void forget_plan();

}  // namespace muonflow::cli
