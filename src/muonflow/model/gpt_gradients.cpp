#include "muonflow/model/gpt_gradients.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/model/gpt.hpp"

namespace muonflow::model {
namespace {

struct Tokens {
  Index batch = 0;
  Index time = 0;
  std::vector<std::int32_t> values;
};

// A tensor [B, T] of token numbers.
Tokens read_tokens(const TensorMap& batch, const std::string& name, const GptOptions& options,
                   const std::string& batch_place) {
  const auto at = batch.find(name);
  if (at == batch.end()) {
    throw DataError({.place = batch_place, .what = "missing tensor '" + name + "'"});
  }
  const Tensor& tensor = at->second;
  const std::string place = batch_place + ": " + name;
  if (tensor.dtype != Dtype::i32 && tensor.dtype != Dtype::i64) {
    throw DataError({.place = place,
                     .what = "dtype",
                     .expected = "I32 or I64",
                     .found = std::string(name_of(tensor.dtype))});
  }
  if (tensor.shape.size() != 2 || tensor.count() == 0) {
    throw ShapeError({.place = place,
                      .what = "wrong shape",
                      .expected = "[B, T], both at least 1",
                      .found = to_string(tensor.shape)});
  }
  Tokens tokens{.batch = tensor.shape[0], .time = tensor.shape[1], .values = {}};
  if (tokens.time > options.block_size) {
    throw ShapeError({.place = place,
                      .what = "T is longer than block_size",
                      .expected = "at most " + std::to_string(options.block_size),
                      .found = std::to_string(tokens.time)});
  }
  for (const std::int64_t token : tensor.to<std::int64_t>()) {
    if (token < 0 || token >= options.vocab_size) {
      const auto index = static_cast<Index>(tokens.values.size());
      throw DataError({.place = place,
                       .what = "token outside the vocabulary at " +
                               to_string(Shape{index / tokens.time, index % tokens.time}),
                       .expected = "0 to " + std::to_string(options.vocab_size - 1),
                       .found = std::to_string(token)});
    }
    tokens.values.push_back(static_cast<std::int32_t>(token));
  }
  return tokens;
}

template <class T>
TensorMap compute(const GptOptions& options, const TensorMap& weights, const TensorMap& batch,
                  const GradientPlaces& places) {
  Gpt<T> model(options);
  model.load_weights(weights, places.weights);
  const Tokens tokens = read_tokens(batch, "tokens", options, places.batch);
  const Tokens targets = read_tokens(batch, "targets", options, places.batch);
  if (targets.batch != tokens.batch || targets.time != tokens.time) {
    throw ShapeError({.place = places.batch + ": targets",
                      .what = "wrong shape",
                      .expected = to_string(Shape{tokens.batch, tokens.time}) + " as tokens",
                      .found = to_string(Shape{targets.batch, targets.time})});
  }
  const double loss = model.loss(tokens.values, targets.values, tokens.batch, tokens.time);
  if (!std::isfinite(loss)) {
    throw DataError({.place = places.weights,
                     .what = "the loss is not finite with these weights",
                     .found = std::isnan(loss) ? "nan" : "inf"});
  }
  TensorMap result;
  const T rounded = static_cast<T>(loss);
  result.emplace("loss", make_tensor<T>({1}, std::span<const T>(&rounded, 1)));
  const auto logits = model.logits();
  result.emplace(
      "logits",
      make_tensor<T>({tokens.batch, tokens.time, options.vocab_size},
                     std::span<const T>(logits.data(), static_cast<std::size_t>(logits.size()))));
  model.backward();
  for (const auto& parameter : model.parameters()) {
    const auto count = static_cast<std::size_t>(element_count(parameter.shape));
    result.emplace("g/" + parameter.name,
                   make_tensor<T>(parameter.shape, std::span<const T>(parameter.gradient, count)));
  }
  return result;
}

}  // namespace

TensorMap gpt_gradients(const Json& options, const TensorMap& weights, const TensorMap& batch,
                        const GradientPlaces& places) {
  const GptOptions resolved = infer_gpt_options(options, weights, places.option, places.weights);
  const bool wide = weights.at("transformer.wte.weight").dtype == Dtype::f64;
  return wide ? compute<double>(resolved, weights, batch, places)
              : compute<float>(resolved, weights, batch, places);
}

}  // namespace muonflow::model
