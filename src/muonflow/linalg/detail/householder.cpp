#include "muonflow/linalg/detail/householder.hpp"

#include <algorithm>

#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/gemm.hpp"

namespace muonflow::linalg::detail {
namespace {

// Columns of a block: measured, 64 and 128 are even at 1536 columns, and 64 is ahead at 384.
constexpr Index kBlock = 64;

// A block of reflectors is I - V T V^T, V [rows, width] with a unit lower triangle on top and T
// upper triangular.

// panel [rows, width] contiguous: r in its upper triangle, and V and T of its reflectors. By
// columns LAPACK sees the transposed panel and its LQ decomposition.
template <class T>
void factor_panel(MatrixRef<T> panel, MatrixRef<T> V, MatrixRef<T> triangle, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  const auto rows = static_cast<int>(panel.rows());
  const auto width = static_cast<int>(panel.cols());
  T* const tau = frame.values<T>(width).data();
  int info = 0;
  T size = 0;
  gelqf(width, rows, panel.data(), width, tau, &size, -1, &info);
  const int length = static_cast<int>(size) + 1;
  {
    const OneThread one_thread;
    gelqf(width, rows, panel.data(), width, tau, frame.values<T>(length).data(), length, &info);
  }
  V = panel;
  for (Index i = 0; i < width; ++i) {
    V(i, i) = T(1);
    for (Index j = i + 1; j < width; ++j) V(i, j) = T(0);
  }
  // Column j of T: tau_j on the diagonal, -tau_j T_jj (V^T v_j) above (LAPACK's larft).
  auto gram = frame.matrix<T>(width, width);
  gemm<T>(Op::transpose, Op::none, T(1), V, V, T(0), gram);
  triangle.setZero();
  for (Index j = 0; j < width; ++j) {
    triangle(j, j) = tau[j];
    for (Index i = 0; i < j; ++i) {
      T sum = 0;
      for (Index k = i; k < j; ++k) sum += triangle(i, k) * gram(k, j);
      triangle(i, j) = -tau[j] * sum;
    }
  }
}

// x <- (I - V op(T) V^T) x.
template <class T>
void reflect(const ConstMatrixRef<T>& V, Op op, const ConstMatrixRef<T>& triangle, MatrixRef<T> x,
             Scratch& scratch) {
  Scratch::Frame frame(scratch);
  auto inner = frame.matrix<T>(V.cols(), x.cols());
  auto turned = frame.matrix<T>(V.cols(), x.cols());
  gemm<T>(Op::transpose, Op::none, T(1), V, x, T(0), inner);
  gemm<T>(op, Op::none, T(1), triangle, inner, T(0), turned);
  gemm<T>(Op::none, Op::none, T(-1), V, turned, T(1), x);
}

}  // namespace

template <class T>
void orthonormal_factor(MatrixRef<T> x, Scratch& scratch) {
  const Index m = x.rows();
  const Index n = x.cols();
  Scratch::Frame frame(scratch);
  auto reflectors = frame.matrix<T>(m, n);  // V of each block, below the rows it does not touch
  auto triangles = frame.matrix<T>(n, kBlock);
  auto panel_memory = frame.values<T>(m * kBlock);
  const auto flips = frame.values<T>(n);
  const auto width_at = [&](Index j) { return std::min(kBlock, n - j); };
  for (Index j = 0; j < n; j += kBlock) {
    const Index width = width_at(j);
    MatrixMap<T> panel(panel_memory.data(), m - j, width, Eigen::OuterStride<>(width));
    auto V = reflectors.block(j, j, m - j, width);
    auto triangle = triangles.block(j, 0, width, width);
    panel = x.block(j, j, m - j, width);
    factor_panel<T>(panel, V, triangle, scratch);
    for (Index i = 0; i < width; ++i) {
      flips[static_cast<std::size_t>(j + i)] = panel(i, i) < 0 ? T(-1) : T(1);
    }
    const Index rest = n - j - width;
    if (rest == 0) continue;
    reflect<T>(V, Op::transpose, triangle, x.block(j, j + width, m - j, rest), scratch);
  }
  // q = H_1 H_2 ... times the first columns of the identity, from the last block to the first.
  x.setZero();
  for (Index i = 0; i < n; ++i) x(i, i) = T(1);
  for (Index j = (n - 1) / kBlock * kBlock; j >= 0; j -= kBlock) {
    reflect<T>(reflectors.block(j, j, m - j, width_at(j)), Op::none,
               triangles.block(j, 0, width_at(j), width_at(j)), x.block(j, j, m - j, n - j),
               scratch);
  }
  for (Index i = 0; i < m; ++i) {
    T* const row = x.data() + i * x.outerStride();
    for (Index j = 0; j < n; ++j) row[j] *= flips[static_cast<std::size_t>(j)];
  }
}

template void orthonormal_factor<float>(MatrixRef<float>, Scratch&);
template void orthonormal_factor<double>(MatrixRef<double>, Scratch&);

}  // namespace muonflow::linalg::detail
