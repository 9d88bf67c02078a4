// Products too small for a library call: plain vector loops on the calling thread.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// c [m, n] = alpha a b + beta c. Element (i, l) of a stands at a[i * a_row + l * a_col], so that
// either orientation of a serves; rows of b [k, n] and c are contiguous. Each entry of c sums over
// l in order, with fused multiply-adds where the processor has them.
void small_gemm(Index m, Index n, Index k, float alpha, const float* a, Index a_row, Index a_col,
                const float* b, Index ldb, float beta, float* c, Index ldc);
void small_gemm(Index m, Index n, Index k, double alpha, const double* a, Index a_row, Index a_col,
                const double* b, Index ldb, double beta, double* c, Index ldc);

}  // namespace muonflow::linalg::detail
