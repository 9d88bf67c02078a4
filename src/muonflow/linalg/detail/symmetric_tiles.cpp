#include "muonflow/linalg/detail/symmetric_tiles.hpp"

#include <algorithm>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/panel_gemm.hpp"
#include "muonflow/linalg/detail/transpose.hpp"

namespace muonflow::linalg::detail {
template <class T>
void symmetric_tiles(Index m, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
                     bool transpose_b, T beta, T* c, Index ldc, Index width) {
  const Index tiles = (m + width - 1) / width;
  const auto edge = [=](Index t) { return std::min(m, t * width); };
  parallel_tasks(tiles * (tiles + 1) / 2, [&](Index index) {
    Index row = 0;
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    const Index col = index - row * (row + 1) / 2;
    const Index i0 = edge(row);
    const Index i1 = edge(row + 1);
    const Index j0 = edge(col);
    const Index j1 = edge(col + 1);
    T* const tile = c + i0 * ldc + j0;
    panel_gemm(false, transpose_b, i1 - i0, j1 - j0, k, alpha, a + i0 * lda, lda,
               transpose_b ? b + j0 * ldb : b + j0, ldb, beta, tile, ldc);
    if (row != col) {
      transpose_block(i1 - i0, j1 - j0, tile, ldc, c + j0 * ldc + i0, ldc);
      return;
    }
    // A library need not round entry (i, j) as it rounds (j, i).
    for (Index i = i0; i < i1; ++i) {
      for (Index j = i0; j < i; ++j) c[j * ldc + i] = c[i * ldc + j];
    }
  });
}

template void symmetric_tiles<float>(Index, Index, float, const float*, Index, const float*, Index,
                                     bool, float, float*, Index, Index);
template void symmetric_tiles<double>(Index, Index, double, const double*, Index, const double*,
                                      Index, bool, double, double*, Index, Index);

}  // namespace muonflow::linalg::detail
