// Transposed copies, in vector registers.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// to [cols, rows] = from^T with from [rows, cols]; on the calling thread; no overlap.
void transpose_block(Index rows, Index cols, const float* from, Index from_stride, float* to,
                     Index to_stride);
void transpose_block(Index rows, Index cols, const double* from, Index from_stride, double* to,
                     Index to_stride);

// The same on all threads, in blocks that stay in the first cache.
template <class T>
void transpose(Index rows, Index cols, const T* from, Index from_stride, T* to, Index to_stride);

}  // namespace muonflow::linalg::detail
