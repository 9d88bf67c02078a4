#include "muonflow/linalg/eigenbasis.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/qr.hpp"
#include "muonflow/linalg/sides.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

void check(const char* what, Index rows, Index cols, Index n) {
  if (rows == n && cols == n) return;
  throw ShapeError(
      {.what = what, .expected = to_string(Shape{n, n}), .found = to_string(Shape{rows, cols})});
}

// Row (column) k of the new x is row (column) order[k] of the old.
template <class T>
void permute_rows(std::span<const Index> order, MatrixRef<T> x, Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  auto old = frame.matrix(x.rows(), x.cols());
  old = x;
  for (Index i = 0; i < x.rows(); ++i) x.row(i) = old.row(order[static_cast<std::size_t>(i)]);
}

template <class T>
void permute_columns(std::span<const Index> order, MatrixRef<T> x, Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  auto old = frame.matrix(x.rows(), x.cols());
  old = x;
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index j = 0; j < x.cols(); ++j) x(i, j) = old(i, order[static_cast<std::size_t>(j)]);
  }
}

}  // namespace

template <class T>
Outcome singular_bases(const ConstMatrixRef<T>& a, MatrixRef<T> left, MatrixRef<T> right,
                       Workspace<T>& workspace) {
  const Index m = a.rows();
  const Index n = a.cols();
  const Index r = std::min(m, n);
  if (left.size() != 0) check("left basis", left.rows(), left.cols(), m);
  if (right.size() != 0) check("right basis", right.rows(), right.cols(), n);
  typename Workspace<T>::Frame frame(workspace);
  auto wide = frame.template matrix<double>(m, n);
  auto u = frame.template matrix<double>(m, r);
  auto vt = frame.template matrix<double>(r, n);
  const auto s = frame.template values<double>(r);
  wide = a.template cast<double>();
  Outcome outcome = svd_into<double>(wide, u.data(), s.data(), vt.data(), workspace);
  if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  const double cutoff = static_cast<double>(std::max(m, n)) *
                        static_cast<double>(std::numeric_limits<T>::epsilon()) *
                        (r > 0 ? s[0] : 0.0);
  const Index rank = std::count_if(s.begin(), s.end(), [&](double x) { return x > cutoff; });
  // Zero columns: Householder's reflections leave them zero, so their place in the orthonormal
  // factor is filled from those of the columns before them alone.
  auto complete_left = frame.template matrix<double>(left.rows(), left.cols());
  auto complete_right = frame.template matrix<double>(right.rows(), right.cols());
  complete_left.setZero();
  complete_right.setZero();
  if (left.size() != 0) {
    complete_left.leftCols(rank) = u.leftCols(rank);
    outcome = orthonormalize<double>(complete_left, workspace);
    if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  }
  if (right.size() != 0) {
    complete_right.leftCols(rank) = vt.topRows(rank).transpose();
    outcome = orthonormalize<double>(complete_right, workspace);
    if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  }
  left = complete_left.template cast<T>();
  right = complete_right.template cast<T>();
  return {};
}

template <class T>
Outcome refresh_eigenbasis(const ConstMatrixRef<T>& c, MatrixRef<T> q, std::span<Index> order,
                           Workspace<T>& workspace) {
  const Index n = c.rows();
  check("matrix of the eigenbasis", c.rows(), c.cols(), n);
  check("eigenbasis", q.rows(), q.cols(), n);
  check("order of the eigenbasis", static_cast<Index>(order.size()), n, n);
  typename Workspace<T>::Frame frame(workspace);
  auto product = frame.matrix(n, n);
  auto quotients = frame.template matrix<double>(1, n);
  gemm<T>(Op::none, Op::none, T(1), c, q, T(0), product);
  if (!all_finite<T>(product)) {
    const bool finite = all_finite<T>(c) && all_finite<T>(q);
    return {.status = finite ? Status::non_finite_result : Status::non_finite_input,
            .changed = false};
  }
  quotients.setZero();
  for (Index i = 0; i < n; ++i) {
    quotients +=
        q.row(i).template cast<double>().cwiseProduct(product.row(i).template cast<double>());
  }
  std::iota(order.begin(), order.end(), Index{0});
  // Not stable_sort, which allocates: ties are broken by the place.
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    return quotients(0, a) != quotients(0, b) ? quotients(0, a) > quotients(0, b) : a < b;
  });
  permute_columns<T>(order, product, workspace);
  const Outcome outcome = orthonormalize<T>(product, workspace);
  if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  q = product;
  return {};
}

template <class T>
Outcome refresh_bases(const ConstMatrixRef<T>& left_matrix, const ConstMatrixRef<T>& right_matrix,
                      MatrixRef<T> left, MatrixRef<T> right, MatrixRef<T> v,
                      Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  if (left.size() != 0) {
    const auto order = frame.template values<Index>(left.rows());
    const Outcome outcome = refresh_eigenbasis<T>(left_matrix, left, order, workspace);
    if (!outcome.ok()) return outcome;
    permute_rows<T>(order, v, workspace);
  }
  if (right.size() != 0) {
    const auto order = frame.template values<Index>(right.rows());
    const Outcome outcome = refresh_eigenbasis<T>(right_matrix, right, order, workspace);
    if (!outcome.ok()) return outcome;
    permute_columns<T>(order, v, workspace);
  }
  return {};
}

namespace {

// x <- op_left(left) x op_right(right); an empty basis stands for the identity. With both, each
// product has the other one's operand to write to.
template <class T>
void turn(Op op_left, const ConstMatrixRef<T>& left, Op op_right, const ConstMatrixRef<T>& right,
          MatrixRef<T> x, Workspace<T>& workspace) {
  if (left.size() == 0 || right.size() == 0) {
    if (left.size() != 0) multiply_side<T>(Side::left, op_left, left, x, workspace);
    if (right.size() != 0) multiply_side<T>(Side::right, op_right, right, x, workspace);
    return;
  }
  typename Workspace<T>::Frame frame(workspace);
  auto half = frame.matrix(x.rows(), x.cols());
  gemm<T>(op_left, Op::none, T(1), left, x, T(0), half);
  gemm<T>(Op::none, op_right, T(1), half, right, T(0), x);
}

}  // namespace

template <class T>
void into_bases(const ConstMatrixRef<T>& left, const ConstMatrixRef<T>& right, MatrixRef<T> x,
                Workspace<T>& workspace) {
  turn<T>(Op::transpose, left, Op::none, right, x, workspace);
}

template <class T>
void out_of_bases(const ConstMatrixRef<T>& left, const ConstMatrixRef<T>& right, MatrixRef<T> x,
                  Workspace<T>& workspace) {
  turn<T>(Op::none, left, Op::transpose, right, x, workspace);
}

#define MUONFLOW_INSTANTIATE(T)                                                                    \
  template Outcome singular_bases<T>(const ConstMatrixRef<T>&, MatrixRef<T>, MatrixRef<T>,         \
                                     Workspace<T>&);                                               \
  template Outcome refresh_eigenbasis<T>(const ConstMatrixRef<T>&, MatrixRef<T>, std::span<Index>, \
                                         Workspace<T>&);                                           \
  template Outcome refresh_bases<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&,            \
                                    MatrixRef<T>, MatrixRef<T>, MatrixRef<T>, Workspace<T>&);      \
  template void into_bases<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&, MatrixRef<T>,    \
                              Workspace<T>&);                                                      \
  template void out_of_bases<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&, MatrixRef<T>,  \
                                Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
