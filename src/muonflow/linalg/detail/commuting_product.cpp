#include "muonflow/linalg/detail/commuting_product.hpp"

#include <algorithm>

#include "muonflow/linalg/detail/symmetric_tiles.hpp"

namespace muonflow::linalg::detail {

template <class T>
void commuting_product(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, MatrixRef<T> c) {
  const Index n = a.rows();
  symmetric_tiles<T>(n, n, T(1), a.data(), a.outerStride(), b.data(), b.outerStride(), false, T(0),
                     c.data(), c.outerStride(), n <= 64 ? std::max<Index>(n, 1) : tile_width<T>(n));
}

template void commuting_product<float>(const ConstMatrixRef<float>&, const ConstMatrixRef<float>&,
                                       MatrixRef<float>);
template void commuting_product<double>(const ConstMatrixRef<double>&,
                                        const ConstMatrixRef<double>&, MatrixRef<double>);

}  // namespace muonflow::linalg::detail
