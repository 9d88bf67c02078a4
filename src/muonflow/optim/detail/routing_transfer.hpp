// The numbers of a routed tensor: its shape scale, and what hyperparameter transfer multiplies.
#pragma once

#include <vector>

#include "muonflow/optim/routing.hpp"

namespace muonflow::optim::detail {

// Fills in `multiplier`, and with a base shape `transfer`, `weight_decay` and the epsilon of the
// rules in `resolved`. `matrices` are those of the tensor. Throws ConfigError.
void scale_route(Route& row, const std::vector<MatrixShape>& matrices, const Shape& base_shape,
                 double depth_ratio, const TransferOptions& options);

}  // namespace muonflow::optim::detail
