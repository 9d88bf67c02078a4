// The Gaussian error linear unit x Phi(x) (D. Hendrycks, K. Gimpel, arXiv:1606.08415): with the
// error function, and in its tanh form 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
//
// Float is vectorized by hand and accurate to a few units of float's rounding relative to the exact
// value, also far out on the negative side, where 1 + erf and 1 + tanh cancel: Phi is computed from
// its small tail, and the tanh form as x / (1 + exp(-2u)).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

enum class Activation { gelu_tanh, gelu_erf };

// y [N, C] = activation(x [N, C]). y may be x. Throws ShapeError.
template <class T>
void activation_forward(Activation kind, const ConstMatrixRef<T>& x, MatrixRef<T> y);

// gradient [N, C] *= activation'(x [N, C]): turns the gradient of the output into that of the
// input, in place. Throws ShapeError.
template <class T>
void activation_backward(Activation kind, const ConstMatrixRef<T>& x, MatrixRef<T> gradient);

}  // namespace muonflow::nn

template <>
struct muonflow::EnumNames<muonflow::nn::Activation> {
  static constexpr std::array<std::string_view, 2> names{"gelu_tanh", "gelu_erf"};
};
