// The instruction set is chosen before a loop takes hold of its vector function.
//
// Until the first dispatched call of the process Highway's table leads to a function that asks the
// processor (15 microseconds) and then calls the right one. A loop that keeps that pointer would
// ask anew for every row: 60 ms for the first layer norm of 4,096 rows.
#pragma once

#include <hwy/highway.h>

namespace muonflow::nn::detail {

inline void choose_target() {
  auto& chosen = hwy::GetChosenTarget();
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
}

}  // namespace muonflow::nn::detail
