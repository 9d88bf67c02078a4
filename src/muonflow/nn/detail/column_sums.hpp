// Sums over rows, as every bias gradient needs them.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

// sums [cols] += column sums of x [rows, cols]. Each column is summed in row order by one thread,
// runs of 64 rows in T and the runs in double, so that threads change no bit.
template <class T>
void add_column_sums(const ConstMatrixRef<T>& x, std::span<T> sums);

}  // namespace muonflow::nn::detail
