// The shape scales that go by the name adjust_lr: how the step of a matrix [out, in] depends on its
// shape.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/optim/rule.hpp"

namespace muonflow::optim {

// The multiplier of a matrix [rows, cols]; see Scale. Throws ConfigError for Scale::automatic,
// which has no value of its own.
double shape_scale(Scale scale, Index rows, Index cols);

}  // namespace muonflow::optim
