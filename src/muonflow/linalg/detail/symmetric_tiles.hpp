// A product whose result is known to be symmetric: tiles of the lower triangle, each written with
// its mirror image.
#pragma once

#include <type_traits>

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// Few large tiles waste work on the diagonal and leave threads idle at the end, many small ones
// waste it in calls; measured on single-threaded calls, oneDNN's best are 48 wide (its register
// block), OpenBLAS is even from 96 on.
template <class T>
constexpr Index tile_width(Index m) {
  return std::is_same_v<T, float> && m <= 800 ? 48 : 96;
}

// c [m, m] = alpha a b + beta c with a [m, k] and b [k, m] or, transposed, b^T [m, k]; symmetric
// bit for bit, the upper triangle of the product is not looked at. c must not overlap a or b; where
// beta is not 0 its lower triangle is read. `width` is that of a tile, at least 1. About m^2 k
// flops. Same bits for any number of threads.
template <class T>
void symmetric_tiles(Index m, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
                     bool transpose_b, T beta, T* c, Index ldc, Index width);

}  // namespace muonflow::linalg::detail
