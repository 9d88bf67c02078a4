#include "muonflow/model/gpt_options.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "muonflow/core/error.hpp"

namespace muonflow::model {
namespace {

constexpr Range kAtLeastOne{.lo = 1};

const Tensor& table(const TensorMap& weights, const std::string& name, const std::string& place) {
  const auto at = weights.find(name);
  if (at == weights.end()) {
    throw DataError({.place = place, .what = "missing tensor '" + name + "'"});
  }
  if (at->second.shape.size() != 2) {
    throw ShapeError({.place = place,
                      .what = name,
                      .expected = "a matrix",
                      .found = to_string(at->second.shape)});
  }
  return at->second;
}

// One more than the largest i of a name "transformer.h.i....".
std::int64_t layers_in(const TensorMap& weights) {
  constexpr std::string_view kPrefix = "transformer.h.";
  std::int64_t layers = 0;
  for (const auto& [name, tensor] : weights) {
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t layer = -1;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
    layers = std::max(layers, layer + 1);
  }
  return layers;
}

bool has_biases(const TensorMap& weights) {
  return std::any_of(weights.begin(), weights.end(), [](const auto& entry) {
    return entry.first.ends_with(".bias") && !is_mask_buffer(entry.first);
  });
}

}  // namespace

void GptOptions::fields(FieldVisitor& v) {
  v.integer("n_layer", n_layer, kAtLeastOne, "blocks of attention and MLP");
  v.integer("n_head", n_head, kAtLeastOne, "attention heads; divides n_embd");
  v.integer("n_embd", n_embd, kAtLeastOne, "width of the residual stream");
  v.integer("block_size", block_size, kAtLeastOne, "longest context in tokens");
  v.integer("vocab_size", vocab_size, kAtLeastOne, "number of different tokens");
  v.boolean("bias", bias, "biases in linear layers and norms");
  v.boolean("tied", tied, "the head shares the token table");
  v.choice("activation", activation, "nonlinearity of the MLP");
}

void check_gpt_options(const GptOptions& options, const PlaceOf& place_of_option) {
  const auto place = [&](const std::string& name) {
    return place_of_option ? place_of_option(name) : name;
  };
  for (const auto& [name, value] : {std::pair{"n_layer", options.n_layer},
                                    {"n_head", options.n_head},
                                    {"n_embd", options.n_embd},
                                    {"block_size", options.block_size},
                                    {"vocab_size", options.vocab_size}}) {
    if (value < 1) {
      throw ConfigError(
          {.place = place(name), .expected = "at least 1", .found = std::to_string(value)});
    }
  }
  if (options.n_embd % options.n_head != 0) {
    throw ConfigError({.place = place("n_head"),
                       .what = "does not divide n_embd",
                       .expected = "a divisor of " + std::to_string(options.n_embd),
                       .found = std::to_string(options.n_head)});
  }
}

bool is_mask_buffer(std::string_view name) {
  return name.starts_with("transformer.h.") &&
         (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
}

GptOptions infer_gpt_options(const Json& given, const TensorMap& weights,
                             const PlaceOf& place_of_option, const std::string& weights_place) {
  GptOptions options;
  read(given, options, place_of_option);  // complains first of what was asked for
  if (!given.contains("n_head")) {
    throw ConfigError({.place = place_of_option ? place_of_option("n_head") : "n_head",
                       .what = "is required",
                       .advice = "the number of heads cannot be told from the weights"});
  }
  const Tensor& tokens = table(weights, "transformer.wte.weight", weights_place);
  const Tensor& positions = table(weights, "transformer.wpe.weight", weights_place);
  options.vocab_size = tokens.shape[0];
  options.n_embd = tokens.shape[1];
  options.block_size = positions.shape[0];
  options.n_layer = std::max<std::int64_t>(1, layers_in(weights));
  options.bias = has_biases(weights);
  read(given, options, place_of_option);
  check_gpt_options(options, place_of_option);
  return options;
}

}  // namespace muonflow::model
