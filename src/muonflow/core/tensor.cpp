#include "muonflow/core/tensor.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "muonflow/core/error.hpp"

namespace muonflow {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor files are little endian");

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DtypeInfo, 6> kDtypes{{{Dtype::f64, "F64", 8},
                                            {Dtype::f32, "F32", 4},
                                            {Dtype::f16, "F16", 2},
                                            {Dtype::bf16, "BF16", 2},
                                            {Dtype::i64, "I64", 8},
                                            {Dtype::i32, "I32", 4}}};

const DtypeInfo& info_of(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

template <class T>
constexpr Dtype dtype_for() {
  if constexpr (std::is_same_v<T, double>) return Dtype::f64;
  if constexpr (std::is_same_v<T, float>) return Dtype::f32;
  if constexpr (std::is_same_v<T, std::int64_t>) return Dtype::i64;
  if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::i32;
}

// A sixteen-bit float of `fraction` stored fraction bits: widening, exact.
template <int fraction>
float widen(std::uint16_t bits) {
  constexpr int kExponentBits = 15 - fraction;
  constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  const bool negative = (bits >> 15) != 0;
  const int exponent = (bits >> fraction) & ((1 << kExponentBits) - 1);
  const int stored = bits & ((1 << fraction) - 1);
  if (exponent == (1 << kExponentBits) - 1) {
    const std::uint32_t payload = static_cast<std::uint32_t>(stored) << (23 - fraction);
    return std::bit_cast<float>((negative ? 0xff800000u : 0x7f800000u) | payload);
  }
  const int significand = exponent == 0 ? stored : stored | (1 << fraction);
  const int power = (exponent == 0 ? 1 : exponent) - kBias - fraction;
  const float magnitude = std::ldexp(static_cast<float>(significand), power);
  return negative ? -magnitude : magnitude;
}

// Narrowing from double in one rounding: through float it would be two, and wrong at some ties.
template <int fraction>
std::uint16_t narrow(double value) {
  constexpr int kExponentBits = 15 - fraction;
  constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  constexpr unsigned kInfinity = ((1u << kExponentBits) - 1u) << fraction;
  const unsigned sign = std::signbit(value) ? 0x8000u : 0u;
  if (std::isnan(value)) {
    // The quiet bit, and what fits of the payload.
    const auto payload = (std::bit_cast<std::uint64_t>(value) >> (52 - fraction)) &
                         ((std::uint64_t{1} << fraction) - 1);
    return static_cast<std::uint16_t>(sign | kInfinity | (1u << (fraction - 1)) | payload);
  }
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | kInfinity);
  if (value == 0) return static_cast<std::uint16_t>(sign);
  // The spacing of representable numbers around the value; constant below the smallest normal one.
  const int exponent = std::max(std::ilogb(value), 1 - kBias);
  // In units of that spacing, exact in double; nearbyint rounds ties to even.
  const auto units =
      static_cast<unsigned>(std::nearbyint(std::ldexp(std::abs(value), fraction - exponent)));
  // units has the hidden bit for normal numbers, so adding it carries into the exponent field as
  // it should, also when rounding reaches the next power of two.
  const auto field = static_cast<unsigned>(exponent + kBias - 1) << fraction;
  const unsigned magnitude = std::min(field + units, kInfinity);
  return static_cast<std::uint16_t>(sign | magnitude);
}

template <class T>
T element(const std::vector<std::byte>& bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void put(std::vector<std::byte>& bytes, std::size_t index, T value) {
  std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
}

[[noreturn]] void refuse_kind(Dtype dtype, const std::string& expected) {
  throw DataError({.what = "tensor", .expected = expected, .found = std::string(name_of(dtype))});
}

template <class T>
void check_size(const Shape& shape, std::span<const T> values) {
  if (element_count(shape) != static_cast<std::int64_t>(values.size())) {
    throw ShapeError({.what = "tensor of shape " + to_string(shape),
                      .expected = std::to_string(element_count(shape)) + " values",
                      .found = std::to_string(values.size())});
  }
}

template <class T>
T real_element(const Tensor& tensor, std::size_t index) {
  switch (tensor.dtype) {
    case Dtype::f64:
      return static_cast<T>(element<double>(tensor.bytes, index));
    case Dtype::f32:
      return static_cast<T>(element<float>(tensor.bytes, index));
    case Dtype::f16:
      return static_cast<T>(from_f16(element<std::uint16_t>(tensor.bytes, index)));
    case Dtype::bf16:
      return static_cast<T>(from_bf16(element<std::uint16_t>(tensor.bytes, index)));
    default:
      refuse_kind(tensor.dtype, "F64, F32, F16 or BF16");
  }
}

template <class T>
T whole_element(const Tensor& tensor, std::size_t index) {
  if (is_floating(tensor.dtype)) refuse_kind(tensor.dtype, "I64 or I32");
  const std::int64_t value = tensor.dtype == Dtype::i64
                                 ? element<std::int64_t>(tensor.bytes, index)
                                 : element<std::int32_t>(tensor.bytes, index);
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
    throw DataError({.what = "element " + std::to_string(index),
                     .expected = "a value that fits in 32 bits",
                     .found = std::to_string(value)});
  }
  return static_cast<T>(value);
}

}  // namespace

std::size_t size_of(Dtype dtype) { return info_of(dtype).size; }

std::string_view name_of(Dtype dtype) { return info_of(dtype).name; }

std::optional<Dtype> dtype_of(std::string_view name) {
  for (const auto& info : kDtypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

float from_f16(std::uint16_t bits) { return widen<10>(bits); }
float from_bf16(std::uint16_t bits) { return widen<7>(bits); }
std::uint16_t to_f16(double value) { return narrow<10>(value); }
std::uint16_t to_bf16(double value) { return narrow<7>(value); }

template <class T>
std::span<const T> Tensor::as() const {
  if (dtype != dtype_for<T>()) refuse_kind(dtype, std::string(name_of(dtype_for<T>())));
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <class T>
std::vector<T> Tensor::to() const {
  if (std::is_floating_point_v<T> != is_floating(dtype)) {
    refuse_kind(dtype, std::is_floating_point_v<T> ? "F64, F32, F16 or BF16" : "I64 or I32");
  }
  std::vector<T> values(bytes.size() / size_of(dtype));
  if (dtype == dtype_for<T>()) {
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      values[i] = real_element<T>(*this, i);
    } else {
      values[i] = whole_element<T>(*this, i);
    }
  }
  return values;
}

template <class T>
Tensor make_tensor(const Shape& shape, std::span<const T> values) {
  check_size(shape, values);
  const auto bytes = std::as_bytes(values);
  return {dtype_for<T>(), shape, {bytes.begin(), bytes.end()}};
}

template <class T>
Tensor make_tensor(Dtype dtype, const Shape& shape, std::span<const T> values) {
  if (dtype == dtype_for<T>()) return make_tensor(shape, values);
  if constexpr (std::is_floating_point_v<T>) {
    check_size(shape, values);
    Tensor tensor{dtype, shape, std::vector<std::byte>(values.size() * size_of(dtype))};
    for (std::size_t i = 0; i < values.size(); ++i) {
      switch (dtype) {
        case Dtype::f64:
          put(tensor.bytes, i, static_cast<double>(values[i]));
          break;
        case Dtype::f32:
          put(tensor.bytes, i, static_cast<float>(values[i]));
          break;
        case Dtype::f16:
          put(tensor.bytes, i, to_f16(values[i]));
          break;
        case Dtype::bf16:
          put(tensor.bytes, i, to_bf16(values[i]));
          break;
        default:
          refuse_kind(dtype, "F64, F32, F16 or BF16");
      }
    }
    return tensor;
  } else {
    refuse_kind(dtype, std::string(name_of(dtype_for<T>())));
  }
}

template <class T>
Tensor make_tensor(const ConstMatrixRef<T>& matrix) {
  const Matrix<T> contiguous = matrix;
  return make_tensor<T>({contiguous.rows(), contiguous.cols()},
                        {contiguous.data(), static_cast<std::size_t>(contiguous.size())});
}

#define MUONFLOW_INSTANTIATE(T)                                                  \
  template std::span<const T> Tensor::as<T>() const;                             \
  template std::vector<T> Tensor::to<T>() const;                                 \
  template Tensor make_tensor<T>(const Shape& shape, std::span<const T> values); \
  template Tensor make_tensor<T>(Dtype dtype, const Shape& shape, std::span<const T> values);
MUONFLOW_INSTANTIATE(double)
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(std::int64_t)
MUONFLOW_INSTANTIATE(std::int32_t)
#undef MUONFLOW_INSTANTIATE
template Tensor make_tensor<double>(const ConstMatrixRef<double>& matrix);
template Tensor make_tensor<float>(const ConstMatrixRef<float>& matrix);

}  // namespace muonflow
