#include "muonflow/nn/linear.hpp"

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/column_sums.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

namespace muonflow::nn {
namespace {

using linalg::Op;

template <class T>
auto as_row(std::span<const T> values) {
  return Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(values.data(),
                                                               static_cast<Index>(values.size()));
}

// y <- residual + bias, whatever of the two is there.
template <class T>
void start_from(const ConstMatrixRef<T>& residual, std::span<const T> bias, MatrixRef<T> y) {
  parallel_for(y.rows(), detail::row_grain(y.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if (residual.size() == 0) {
        y.row(i) = as_row(bias);
      } else if (bias.empty()) {
        y.row(i) = residual.row(i);
      } else {
        y.row(i) = residual.row(i) + as_row(bias);
      }
    }
  });
}

}  // namespace

template <class T>
void linear_forward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                    std::span<const T> bias, const ConstMatrixRef<T>& residual, MatrixRef<T> y) {
  detail::check_shape("linear", "weight", weight, weight.rows(), x.cols());
  detail::check_shape("linear", "y", y, x.rows(), weight.rows());
  if (!bias.empty()) detail::check_size("linear", "bias", bias, weight.rows());
  if (residual.size() != 0) detail::check_shape("linear", "residual", residual, y.rows(), y.cols());
  // The product is added onto residual and bias: one pass over y less than adding them afterwards.
  const bool started = !bias.empty() || residual.size() != 0;
  if (started) start_from<T>(residual, bias, y);
  linalg::gemm<T>(Op::none, Op::transpose, T(1), x, weight, started ? T(1) : T(0), y);
}

template <class T>
void linear_forward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                    std::span<const T> bias, MatrixRef<T> y) {
  const ConstMatrixMap<T> none(nullptr, 0, 0, Eigen::OuterStride<>(0));
  linear_forward<T>(x, weight, bias, none, y);
}

template <class T>
void linear_backward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                     const ConstMatrixRef<T>& dy, MatrixRef<T> dx, MatrixRef<T> dweight,
                     std::span<T> dbias) {
  detail::check_shape("linear", "weight", weight, weight.rows(), x.cols());
  detail::check_shape("linear", "dy", dy, x.rows(), weight.rows());
  detail::check_shape("linear", "dweight", dweight, weight.rows(), weight.cols());
  if (!dbias.empty()) {
    detail::check_size("linear", "dbias", dbias, weight.rows());
    detail::add_column_sums<T>(dy, dbias);
  }
  linalg::gemm<T>(Op::transpose, Op::none, T(1), dy, x, T(1), dweight);
  if (dx.size() != 0) {
    detail::check_shape("linear", "dx", dx, x.rows(), x.cols());
    linalg::gemm<T>(Op::none, Op::none, T(1), dy, weight, T(0), dx);
  }
}

#define MUONFLOW_INSTANTIATE(T)                                                                \
  template void linear_forward<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&,          \
                                  std::span<const T>, const ConstMatrixRef<T>&, MatrixRef<T>); \
  template void linear_forward<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&,          \
                                  std::span<const T>, MatrixRef<T>);                           \
  template void linear_backward<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&,         \
                                   const ConstMatrixRef<T>&, MatrixRef<T>, MatrixRef<T>,       \
                                   std::span<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::nn
