// Text that a trained model writes, byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "muonflow/model/gpt.hpp"
#include "muonflow/train/config.hpp"

namespace muonflow::train {

// The bytes that follow options.prompt, options.length of them. Byte b is drawn with probability
// proportional to exp(logit_b / temperature) over the top_k likeliest (ties: the smaller byte
// first), by one uniform of Rng{seed, stream of samples} a byte; temperature 0 takes the likeliest.
// `seed` is used where options.seed is off. Throws ConfigError for a prompt that is empty or
// outside the vocabulary; DataError where the logits are not finite.
template <class T>
std::string sample(model::Gpt<T>& model, const SampleOptions& options, std::uint64_t seed);

// Bytes as text that a terminal and a JSON file can take: what is not UTF-8, and control characters
// but tabs and newlines, become U+FFFD.
std::string printable(std::string_view bytes);

}  // namespace muonflow::train
