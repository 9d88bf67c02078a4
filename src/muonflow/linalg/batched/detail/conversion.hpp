// Sixteen matrices one after another into a block and back, in vector registers.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// interleave() and deinterleave() of interleaved.hpp for a whole block, rows and cols at least 1.
// Loads and stores alone: the bits of NaN and denormals go through.
void interleave_block(const float* matrices, Index rows, Index cols, float* block);
void interleave_block(const double* matrices, Index rows, Index cols, double* block);
void deinterleave_block(const float* block, Index rows, Index cols, float* matrices);
void deinterleave_block(const double* block, Index rows, Index cols, double* matrices);

}  // namespace muonflow::linalg::detail
