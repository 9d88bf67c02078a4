// Weights of a GPT out to tensors and in from them, everything checked before anything changes.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/model/gpt.hpp"

namespace muonflow::model {
namespace {

constexpr const char* kHead = "lm_head.weight";
constexpr const char* kTokenTable = "transformer.wte.weight";

// "missing tensor 'a' (and 3 more)"
std::string list_first(const std::string& what, const std::vector<std::string>& names) {
  std::string text = what + " '" + names.front() + "'";
  if (names.size() > 1) text += " and " + std::to_string(names.size() - 1) + " more";
  return text;
}

// The weights a model of these names takes: no masks, and no copy of the token table beside a tied
// head.
std::set<std::string> relevant_names(const TensorMap& weights, bool tied,
                                     const std::string& place) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : weights) {
    if (is_mask_buffer(name)) continue;
    if (tied && name == kHead) {
      const auto table = weights.find(kTokenTable);
      if (table != weights.end() &&
          (table->second.shape != tensor.shape || table->second.dtype != tensor.dtype ||
           table->second.bytes != tensor.bytes)) {
        throw DataError({.place = place,
                         .what = "lm_head.weight differs from transformer.wte.weight, but the head "
                                 "is tied",
                         .advice = "use the option tied = false"});
      }
      continue;
    }
    names.insert(name);
  }
  return names;
}

void check_names(const std::set<std::string>& found, const std::vector<std::string>& known,
                 const std::string& place) {
  std::vector<std::string> missing;
  for (const auto& name : known) {
    if (!found.contains(name)) missing.push_back(name);
  }
  if (!missing.empty()) {
    throw DataError({.place = place, .what = list_first("missing tensor", missing)});
  }
  std::vector<std::string> extra;
  for (const auto& name : found) {
    if (std::find(known.begin(), known.end(), name) == known.end()) extra.push_back(name);
  }
  if (!extra.empty()) {
    throw DataError(
        {.place = place,
         .what = list_first("the model has no parameter", extra),
         .advice = extra.front() == kHead ? "" : "is it of another n_layer, bias or naming?"});
  }
}

void check_dtype(const std::string& name, const Tensor& tensor, Dtype expected,
                 const std::string& place) {
  if (tensor.dtype == expected) return;
  throw DataError({.place = place + ": " + name,
                   .what = "mixed dtypes",
                   .expected = std::string(name_of(expected)) + " as the tensors before",
                   .found = std::string(name_of(tensor.dtype))});
}

void check_shape(const std::string& name, const Shape& shape, const Shape& expected,
                 const std::string& place) {
  if (shape == expected) return;
  throw ShapeError({.place = place + ": " + name,
                    .what = "wrong shape",
                    .expected = to_string(expected),
                    .found = to_string(shape)});
}

template <class T>
void check_finite(const std::string& name, const std::vector<T>& values, const std::string& place) {
  const auto bad =
      std::find_if_not(values.begin(), values.end(), [](T value) { return std::isfinite(value); });
  if (bad == values.end()) return;
  throw DataError({.place = place + ": " + name,
                   .what = "not finite at element " + std::to_string(bad - values.begin()),
                   .found = shortest(static_cast<double>(*bad))});
}

}  // namespace

template <class T>
TensorMap Gpt<T>::weights() const {
  TensorMap tensors;
  for (const auto& parameter : parameters_) {
    const auto count = static_cast<std::size_t>(element_count(parameter.shape));
    tensors.emplace(parameter.name,
                    make_tensor<T>(parameter.shape, std::span<const T>(parameter.weights, count)));
  }
  return tensors;
}

template <class T>
void Gpt<T>::load_weights(const TensorMap& weights, const std::string& place) {
  std::vector<std::string> known;
  for (const auto& parameter : parameters_) known.push_back(parameter.name);
  check_names(relevant_names(weights, options_.tied, place), known, place);

  const Dtype dtype = weights.at(known.front()).dtype;
  if (!is_floating(dtype) || size_of(dtype) > sizeof(T)) {
    throw DataError({.place = place + ": " + known.front(),
                     .what = "dtype",
                     .expected = sizeof(T) == 4 ? "F32, F16 or BF16" : "F64, F32, F16 or BF16",
                     .found = std::string(name_of(dtype))});
  }
  // One tensor at a time is converted twice, first to check and then to take over: half the memory
  // of keeping the converted ones.
  for (const auto& parameter : parameters_) {
    const Tensor& tensor = weights.at(parameter.name);
    check_dtype(parameter.name, tensor, dtype, place);
    check_shape(parameter.name, tensor.shape, parameter.shape, place);
    check_finite<T>(parameter.name, tensor.to<T>(), place);
  }
  for (const auto& parameter : parameters_) {
    const auto values = weights.at(parameter.name).template to<T>();
    std::copy(values.begin(), values.end(), parameter.weights);
  }
}

template TensorMap Gpt<float>::weights() const;
template TensorMap Gpt<double>::weights() const;
template void Gpt<float>::load_weights(const TensorMap&, const std::string&);
template void Gpt<double>::load_weights(const TensorMap&, const std::string&);

}  // namespace muonflow::model
