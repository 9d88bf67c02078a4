// A trainable tensor as models hand it out and optimizers take it: borrowed weights and gradient, a
// name and a role.
#pragma once

#include <cstdint>
#include <string>

#include "muonflow/core/matrix.hpp"

namespace muonflow {

// What a parameter is to the network; routing chooses a rule by it.
enum class Role { hidden, embedding, head, norm, bias, router, convolution };

template <class T>
struct Parameter {
  std::string name;  // public name, such as transformer.h.0.attn.c_attn.weight
  Shape shape;       // rank 1 to 4; rank 2 is [out, in]
  T* weights = nullptr;
  T* gradient = nullptr;  // null: no gradient in this step, weights and state stay as they are
  std::int64_t weights_stride = 0;  // elements between rows of a rank-2 tensor; 0 means contiguous
  std::int64_t gradient_stride = 0;
  Role role = Role::hidden;
  // Hyperparameter transfer (fans.hpp): this tensor's shape in the base model whose hyperparameters
  // are given, and how many times more residual blocks there are than in it, for a tensor within
  // one. Empty: no base, nothing is scaled.
  Shape base_shape{};
  double depth_ratio = 1;
};

}  // namespace muonflow
