#include "muonflow/linalg/detail/commuting_product.hpp"

#include <algorithm>
#include <type_traits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/panel_gemm.hpp"
#include "muonflow/linalg/detail/transpose.hpp"

namespace muonflow::linalg::detail {

template <class T>
void commuting_product(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, MatrixRef<T> c) {
  // Tiles as wide as the libraries like them, the shape alone deciding: see symmetric.cpp.
  const Index n = a.rows();
  const Index wanted = std::is_same_v<T, float> && n <= 800 ? 48 : 96;
  const Index width = n <= 64 ? std::max<Index>(n, 1) : wanted;
  const Index tiles = (n + width - 1) / width;
  parallel_tasks(tiles * (tiles + 1) / 2, [&](Index index) {
    Index row = 0;
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    const Index col = index - row * (row + 1) / 2;
    const Index i0 = row * width;
    const Index i1 = std::min(n, i0 + width);
    const Index j0 = col * width;
    const Index j1 = std::min(n, j0 + width);
    T* const tile = c.data() + i0 * c.outerStride() + j0;
    panel_gemm(false, false, i1 - i0, j1 - j0, n, T(1), a.data() + i0 * a.outerStride(),
               a.outerStride(), b.data() + j0, b.outerStride(), T(0), tile, c.outerStride());
    if (row != col) {
      transpose_block(i1 - i0, j1 - j0, tile, c.outerStride(), c.data() + j0 * c.outerStride() + i0,
                      c.outerStride());
      return;
    }
    for (Index i = i0; i < i1; ++i) {
      for (Index j = i0; j < i; ++j) c(j, i) = c(i, j);
    }
  });
}

template void commuting_product<float>(const ConstMatrixRef<float>&, const ConstMatrixRef<float>&,
                                       MatrixRef<float>);
template void commuting_product<double>(const ConstMatrixRef<double>&,
                                        const ConstMatrixRef<double>&, MatrixRef<double>);

}  // namespace muonflow::linalg::detail
