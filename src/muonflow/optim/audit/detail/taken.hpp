// What an auditor takes of an optimizer's buffers, and compares.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "muonflow/core/tensor.hpp"
#include "muonflow/optim/audit/report.hpp"
#include "muonflow/optim/detail/borrowed.hpp"

namespace muonflow::optim::detail {

template <class T>
std::vector<T> copied(const MatrixMap<T>& rows) {
  std::vector<T> values(static_cast<std::size_t>(rows.size()));
  MatrixMap<T>(values.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())) = rows;
  return values;
}

template <class T>
Tensor weights_of(const Parameter<T>& parameter) {
  return make_tensor<T>(parameter.shape, copied(weight_rows(parameter)));
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

inline std::uint64_t digest(const void* data, std::size_t size, std::uint64_t seed) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t h = seed ^ 0x9e3779b97f4a7c15ULL;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, 8);
    h = (h ^ word) * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;
  }
  for (; i < size; ++i) h = (h ^ bytes[i]) * 0x100000001b3ULL;
  return h;
}

inline std::uint64_t digest(const Tensor& weights, const TensorMap& state) {
  std::uint64_t h = digest(weights.bytes.data(), weights.bytes.size(), 1);
  for (const auto& [name, tensor] : state) h = digest(tensor.bytes.data(), tensor.bytes.size(), h);
  return h;
}

template <class T>
bool is_finite(const Tensor& tensor) {
  const auto values = tensor.as<T>();
  return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

inline AuditCheck failed_check(const std::string& tensor, const std::string& rule,
                               const std::string& quantity, double expected, double found,
                               const std::string& note) {
  return {.tensor = tensor,
          .rule = rule,
          .quantity = quantity,
          .expected = expected,
          .found = found,
          .bound = 0,
          .verdict = Verdict::failed,
          .note = note};
}

}  // namespace muonflow::optim::detail
