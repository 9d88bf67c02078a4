#include "muonflow/linalg/sides.hpp"

#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {

template <class T>
void average_gram(Side side, double beta, const ConstMatrixRef<T>& g, MatrixRef<T> c,
                  Workspace<T>& workspace) {
  const T part = static_cast<T>(1 - beta);
  if (side == Side::left) {
    symmetric_product<T>(part, g, static_cast<T>(beta), c, workspace);
    return;
  }
  typename Workspace<T>::Frame frame(workspace);
  auto transposed = frame.matrix(g.cols(), g.rows());
  transposed = g.transpose();
  symmetric_product<T>(part, transposed, static_cast<T>(beta), c, workspace);
}

template <class T>
void average_grams(double beta, const ConstMatrixRef<T>& g, MatrixRef<T> left, MatrixRef<T> right,
                   Workspace<T>& workspace) {
  if (left.size() != 0) average_gram<T>(Side::left, beta, g, left, workspace);
  if (right.size() != 0) average_gram<T>(Side::right, beta, g, right, workspace);
}

template <class T>
void multiply_side(Side side, Op op, const ConstMatrixRef<T>& s, MatrixRef<T> x,
                   Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  auto copy = frame.matrix(x.rows(), x.cols());
  copy = x;
  if (side == Side::left) {
    gemm<T>(op, Op::none, T(1), s, copy, T(0), x);
  } else {
    gemm<T>(Op::none, op, T(1), copy, s, T(0), x);
  }
}

#define MUONFLOW_INSTANTIATE(T)                                                                \
  template void average_gram<T>(Side, double, const ConstMatrixRef<T>&, MatrixRef<T>,          \
                                Workspace<T>&);                                                \
  template void average_grams<T>(double, const ConstMatrixRef<T>&, MatrixRef<T>, MatrixRef<T>, \
                                 Workspace<T>&);                                               \
  template void multiply_side<T>(Side, Op, const ConstMatrixRef<T>&, MatrixRef<T>, Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
