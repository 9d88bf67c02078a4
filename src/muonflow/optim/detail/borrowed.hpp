// A parameter's buffers as matrices of whole rows: [out, in] with the parameter's stride for rank
// 2, [1, n] for every other rank (which is contiguous).
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parameter.hpp"

namespace muonflow::optim::detail {

template <class T>
MatrixMap<T> rows_of(const Parameter<T>& parameter, T* data, std::int64_t stride) {
  const bool matrix = parameter.shape.size() == 2;
  const Index rows = matrix ? parameter.shape[0] : 1;
  const Index cols = matrix ? parameter.shape[1] : element_count(parameter.shape);
  return MatrixMap<T>(data, rows, cols,
                      Eigen::OuterStride<>(matrix && stride != 0 ? stride : cols));
}

template <class T>
MatrixMap<T> weight_rows(const Parameter<T>& parameter) {
  return rows_of(parameter, parameter.weights, parameter.weights_stride);
}

template <class T>
MatrixMap<T> gradient_rows(const Parameter<T>& parameter) {
  return rows_of(parameter, parameter.gradient, parameter.gradient_stride);
}

}  // namespace muonflow::optim::detail
