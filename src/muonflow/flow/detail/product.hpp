// A matrix product as the networks write it: operators of the factors first, the scalar of the
// result by its default 1.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/gemm.hpp"

namespace muonflow::flow::detail {

constexpr auto kNone = linalg::Op::none;
constexpr auto kTransposed = linalg::Op::transpose;

// c <- alpha op(a) op(b) + beta c.
template <class T>
void product(linalg::Op op_a, linalg::Op op_b, double alpha, const ConstMatrixRef<T>& a,
             const ConstMatrixRef<T>& b, T beta, MatrixRef<T> c) {
  linalg::gemm<T>(op_a, op_b, static_cast<T>(alpha), a, b, beta, c);
}
template <class T>
void product(linalg::Op op_a, linalg::Op op_b, const ConstMatrixRef<T>& a,
             const ConstMatrixRef<T>& b, T beta, MatrixRef<T> c) {
  product<T>(op_a, op_b, 1.0, a, b, beta, c);
}

}  // namespace muonflow::flow::detail
