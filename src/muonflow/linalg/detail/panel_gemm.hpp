// One product on the calling thread by the library that is best for the scalar type.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// Row-major c [m, n] = alpha op(a) op(b) + beta c; `transpose_a` says that a is stored as [k, m].
// Never spawns threads. Sizes of 0 are the caller's business.
void panel_gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, float alpha,
                const float* a, Index lda, const float* b, Index ldb, float beta, float* c,
                Index ldc);
void panel_gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, double alpha,
                const double* a, Index lda, const double* b, Index ldb, double beta, double* c,
                Index ldc);

// Whether vector loops are faster than a library call here. A transposed b is packed on the stack
// first, so it must be small itself.
bool is_small(bool transpose_b, Index m, Index n, Index k);

}  // namespace muonflow::linalg::detail
