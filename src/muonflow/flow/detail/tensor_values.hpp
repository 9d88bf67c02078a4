// Numbers of a tensor from a file; trouble names the file and the tensor.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/tensor.hpp"

namespace muonflow::flow::detail {

// Tensor::to<T>() of a tensor `name` of the file `place`. Throws DataError for whole numbers where
// T is a floating type, and the other way round.
template <class T>
std::vector<T> tensor_values(const Tensor& tensor, const std::string& name,
                             const std::string& place) {
  if (std::is_floating_point_v<T> != is_floating(tensor.dtype)) {
    throw DataError(
        {.place = place + ", tensor " + name,
         .expected = std::is_floating_point_v<T> ? "F64, F32, F16 or BF16" : "I64 or I32",
         .found = std::string(name_of(tensor.dtype))});
  }
  return tensor.to<T>();
}

}  // namespace muonflow::flow::detail
