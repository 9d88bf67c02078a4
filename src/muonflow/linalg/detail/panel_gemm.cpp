#include "muonflow/linalg/detail/panel_gemm.hpp"

#include <oneapi/dnnl/dnnl.h>

#include <array>

#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/detail/small_gemm.hpp"

namespace muonflow::linalg::detail {
namespace {

constexpr Index kSmallFlops = 32 * 32 * 32;
constexpr Index kSmallPack = 32 * 32;

template <class T>
void small(bool transpose_a, bool transpose_b, Index m, Index n, Index k, T alpha, const T* a,
           Index lda, const T* b, Index ldb, T beta, T* c, Index ldc) {
  std::array<T, kSmallPack> packed;
  if (transpose_b) {
    for (Index j = 0; j < n; ++j) {
      for (Index l = 0; l < k; ++l) packed[static_cast<std::size_t>(l * n + j)] = b[j * ldb + l];
    }
    b = packed.data();
    ldb = n;
  }
  small_gemm(m, n, k, alpha, a, transpose_a ? 1 : lda, transpose_a ? lda : 1, b, ldb, beta, c, ldc);
}

}  // namespace

bool is_small(bool transpose_b, Index m, Index n, Index k) {
  return m * n * k <= kSmallFlops && (!transpose_b || n * k <= kSmallPack);
}

void panel_gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, float alpha,
                const float* a, Index lda, const float* b, Index ldb, float beta, float* c,
                Index ldc) {
  if (is_small(transpose_b, m, n, k)) {
    small<float>(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  const OneThread one_thread;
  (void)dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb,
                   beta, c, ldc);
}

void panel_gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, double alpha,
                const double* a, Index lda, const double* b, Index ldb, double beta, double* c,
                Index ldc) {
  if (is_small(transpose_b, m, n, k)) {
    small<double>(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  const OneThread one_thread;
  // By columns the row-major c is c^T = op(b)^T op(a)^T.
  const char ta = transpose_a ? 'T' : 'N';
  const char tb = transpose_b ? 'T' : 'N';
  const auto mi = static_cast<int>(m);
  const auto ni = static_cast<int>(n);
  const auto ki = static_cast<int>(k);
  const auto la = static_cast<int>(lda);
  const auto lb = static_cast<int>(ldb);
  const auto lc = static_cast<int>(ldc);
  dgemm_(&tb, &ta, &ni, &mi, &ki, &alpha, b, &lb, a, &la, &beta, c, &lc, 1, 1);
}

}  // namespace muonflow::linalg::detail
