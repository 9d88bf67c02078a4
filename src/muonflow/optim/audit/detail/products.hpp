// Products of matrices in double for the twins, by the library's plain product.
#pragma once

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {

// op(a) op(b)
inline Real product(linalg::Op op_a, const Real& a, linalg::Op op_b, const Real& b) {
  using linalg::Op;
  Real c(op_a == Op::none ? a.rows() : a.cols(), op_b == Op::none ? b.cols() : b.rows());
  linalg::gemm<double>(op_a, op_b, 1, a, b, 0, c);
  return c;
}
inline Real product(const Real& a, const Real& b) {
  return product(linalg::Op::none, a, linalg::Op::none, b);
}
inline Real left_gram(const Real& a) {
  return product(linalg::Op::none, a, linalg::Op::transpose, a);
}
inline Real right_gram(const Real& a) {
  return product(linalg::Op::transpose, a, linalg::Op::none, a);
}

}  // namespace muonflow::optim::detail
