// Smooth functions of every entry together with their derivatives, from one exponential: what the
// units and gates of particle networks are made of. Layers of a model use activation.hpp.
//
//   tanh      slope 1 - tanh^2            softplus  log(1 + e^x), slope sigmoid
//   gelu      its tanh form               sigmoid   1 / (1 + e^-x)
//   exp       e^x                         identity  x, slope 1
//
// Vectorized in float and double. Errors are a few units of rounding relative to max(1, |value|),
// for the slopes relative to max(1, |slope|); a NaN stays a NaN.
#pragma once

#include <array>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

enum class SmoothMap { tanh, gelu, softplus, sigmoid, exp, identity };

// x [N, C] <- map(x).
template <class T>
void smooth_value(SmoothMap map, MatrixRef<T> x);

// x [N, C] <- map(x), slope [N, C] <- map'(x before). They must not overlap. Throws ShapeError.
template <class T>
void smooth_value_and_slope(SmoothMap map, MatrixRef<T> x, MatrixRef<T> slope);

}  // namespace muonflow::nn

template <>
struct muonflow::EnumNames<muonflow::nn::SmoothMap> {
  static constexpr std::array<std::string_view, 6> names{"tanh",    "gelu", "softplus",
                                                         "sigmoid", "exp",  "identity"};
};
