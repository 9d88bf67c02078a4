// Layer normalization over the last dimension: y = (x - mean) / sqrt(var + eps) * gain + bias
// (J. L. Ba et al., arXiv:1607.06450), var the biased variance.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

inline constexpr double kLayerNormEps = 1e-5;

// y [N, C] from x [N, C], gain [C] and bias [C] (left out when empty); keeps the mean [N] and the
// reciprocal deviation [N] of every row for the backward pass. y may be x. Throws ShapeError.
template <class T>
void layer_norm_forward(const ConstMatrixRef<T>& x, std::span<const T> gain,
                        std::span<const T> bias, MatrixRef<T> y, std::span<T> mean,
                        std::span<T> reciprocal);

// dx [N, C] += the gradient through the layer (added: the residual path is already there),
// dgain [C] += and dbias [C] += sums over rows in row order (an empty dbias is skipped). dx may not
// overlap x or dy. Throws ShapeError.
template <class T>
void layer_norm_backward(const ConstMatrixRef<T>& x, std::span<const T> gain,
                         std::span<const T> mean, std::span<const T> reciprocal,
                         const ConstMatrixRef<T>& dy, MatrixRef<T> dx, std::span<T> dgain,
                         std::span<T> dbias);

}  // namespace muonflow::nn
