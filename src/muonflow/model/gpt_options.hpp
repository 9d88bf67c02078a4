// The sizes and choices that make a GPT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/nn/activation.hpp"

namespace muonflow::model {

struct GptOptions {
  std::int64_t n_layer = 4;
  std::int64_t n_head = 4;
  std::int64_t n_embd = 128;
  std::int64_t block_size = 256;
  std::int64_t vocab_size = 256;
  bool bias = true;
  bool tied = true;
  nn::Activation activation = nn::Activation::gelu_tanh;

  void fields(FieldVisitor& v);
};

// Throws ConfigError where n_head does not divide n_embd or a size is not positive.
void check_gpt_options(const GptOptions& options, const PlaceOf& place_of_option = {});

// Whether a tensor of this name is a causal mask that old checkpoints carry among the weights.
bool is_mask_buffer(std::string_view name);

// Options for a checkpoint: those given in the JSON object, and what is absent there read from the
// tensors (n_layer, n_embd, block_size, vocab_size, bias). n_head leaves no trace in the weights
// and must be given. Throws ConfigError (unknown or bad option, n_head missing) or DataError (the
// tables that would tell are missing), naming the place.
GptOptions infer_gpt_options(const Json& given, const TensorMap& weights,
                             const PlaceOf& place_of_option = {},
                             const std::string& weights_place = "weights");

}  // namespace muonflow::model
