// A tensor as files hold it: a type, a shape and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow {

enum class Dtype { f64, f32, f16, bf16, i64, i32 };
std::size_t size_of(Dtype dtype);
std::string_view name_of(Dtype dtype);  // as safetensors spells it: "F32"
std::optional<Dtype> dtype_of(std::string_view name);
constexpr bool is_floating(Dtype dtype) { return dtype != Dtype::i64 && dtype != Dtype::i32; }

// Sixteen-bit floats as bit patterns. Widening is exact; narrowing rounds once, to the nearest,
// ties to even, overflow to infinity; a NaN stays a NaN.
float from_f16(std::uint16_t bits);
float from_bf16(std::uint16_t bits);
std::uint16_t to_f16(double value);
std::uint16_t to_bf16(double value);

struct Tensor {
  Dtype dtype = Dtype::f32;
  Shape shape;
  std::vector<std::byte> bytes;  // little endian, contiguous, slowest dimension first

  std::int64_t count() const { return element_count(shape); }

  // Elements as T (double, float, int64_t or int32_t); the dtype must be T's own, else DataError.
  template <class T>
  std::span<const T> as() const;

  // Elements converted: any floating dtype to float or double (double to float rounds), integers to
  // int64_t or int32_t. Throws DataError where the kind differs or a value does not fit.
  template <class T>
  std::vector<T> to() const;
};

// Copies values (double, float, int64_t or int32_t) into a tensor of T's own dtype, or of another
// floating dtype, rounded. Throws ShapeError when the number of values is not the shape's.
template <class T>
Tensor make_tensor(const Shape& shape, std::span<const T> values);
template <class T>
Tensor make_tensor(Dtype dtype, const Shape& shape, std::span<const T> values);
// The same from a matrix, [rows, cols].
template <class T>
Tensor make_tensor(const ConstMatrixRef<T>& matrix);

// By name, in alphabetical order.
using TensorMap = std::map<std::string, Tensor>;

}  // namespace muonflow
