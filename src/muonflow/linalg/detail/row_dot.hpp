// Inner products of rows in double, whatever the vectors of the processor: eight running sums.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// Sum of a_j b_j for j in [0, count), each product and each sum rounded to double. Summand j joins
// running sum j mod 8; at the end ((0 + 4) + (1 + 5)) + ((2 + 6) + (3 + 7)). The same bits for
// every instruction set.
double row_dot(Index count, const float* a, const float* b);
double row_dot(Index count, const double* a, const double* b);

}  // namespace muonflow::linalg::detail
