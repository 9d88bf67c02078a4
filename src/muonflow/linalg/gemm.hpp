// General matrix products: float by oneDNN (its kernels are generated for the processor at hand),
// double by OpenBLAS, tiny products by own vector loops.
//
// The product is cut into panels by its shape alone, never by the number of threads, and every
// panel is one call on one thread: the same bits on 1, 2 or 4 threads.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

enum class Op { none, transpose };

// c = alpha op(a) op(b) + beta c, with op(a) [m, k], op(b) [k, n], c [m, n]; 2 m n k flops. beta =
// 0 overwrites c whatever it holds, NaN included. c must not overlap a or b. Rows may lie apart.
// Throws ShapeError when the sizes do not fit.
template <class T>
void gemm(Op op_a, Op op_b, T alpha, const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, T beta,
          MatrixRef<T> c);

extern template void gemm<float>(Op, Op, float, const ConstMatrixRef<float>&,
                                 const ConstMatrixRef<float>&, float, MatrixRef<float>);
extern template void gemm<double>(Op, Op, double, const ConstMatrixRef<double>&,
                                  const ConstMatrixRef<double>&, double, MatrixRef<double>);

}  // namespace muonflow::linalg
