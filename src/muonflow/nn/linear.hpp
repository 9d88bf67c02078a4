// The affine layer y = x W^T + b on rows of tokens, with its residual sum fused.
//
// The sum over tokens in the bias gradient runs in token order in double whatever the number of
// threads; the three products are linalg::gemm's. Flops: 2 N in out forward, twice that backward.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

// y [N, out] = x [N, in] weight^T + bias + residual, with weight [out, in]. An empty `bias` is left
// out, and so is an empty `residual` ([0, 0], else [N, out]). `residual` may be y itself, nothing
// else may overlap. Throws ShapeError.
template <class T>
void linear_forward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                    std::span<const T> bias, const ConstMatrixRef<T>& residual, MatrixRef<T> y);

// The same without a residual.
template <class T>
void linear_forward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                    std::span<const T> bias, MatrixRef<T> y);

// dx [N, in] = dy weight (overwritten; an empty dx is skipped), dweight [out, in] += dy^T x,
// dbias [out] += column sums of dy (an empty dbias is skipped). Throws ShapeError.
template <class T>
void linear_backward(const ConstMatrixRef<T>& x, const ConstMatrixRef<T>& weight,
                     const ConstMatrixRef<T>& dy, MatrixRef<T> dx, MatrixRef<T> dweight,
                     std::span<T> dbias);

}  // namespace muonflow::nn
