// Sums over rows, as every bias gradient needs them.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

// sums [cols] += column sums of x [rows, cols], in the fixed order of row_cuts.hpp.
template <class T>
void add_column_sums(const ConstMatrixRef<T>& x, std::span<T> sums);

}  // namespace muonflow::nn::detail
