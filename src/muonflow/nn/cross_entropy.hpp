// Mean cross-entropy of logits against target tokens, natural logarithm, without a table of
// probabilities: the forward pass keeps one log-sum-exp a row, the backward pass turns the logits
// into their own gradient.
#pragma once

#include <cstdint>
#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

// Mean over the rows of logits [N, V] of log(sum exp) - logit of the target; lse [N] and
// losses [N] receive the two parts a row. Targets must lie in [0, V) (the model checks them).
// The mean is summed in double in row order. Throws ShapeError.
template <class T>
double cross_entropy_forward(const ConstMatrixRef<T>& logits, std::span<const std::int32_t> targets,
                             std::span<T> lse, std::span<double> losses);

// logits [N, V] <- scale / N * (softmax(logits) - one-hot(target)), in place. Throws ShapeError.
template <class T>
void cross_entropy_backward(MatrixRef<T> logits, std::span<const std::int32_t> targets,
                            std::span<const T> lse, T scale);

}  // namespace muonflow::nn
