// The next letter of real text from the four before it: what a mixture of experts can be asked.
//
// Text is folded to 27 symbols, the letters of the alphabet and one for everything between words.
// Each symbol has a fixed random vector of inputs / 4 standard normal numbers; an input is four of
// them in a row, its label the symbol that follows.
#pragma once

#include <vector>

#include "muonflow/data/samples.hpp"
#include "muonflow/data/text.hpp"

namespace muonflow::data {

inline constexpr std::int64_t kLetterContext = 4;
inline constexpr std::int64_t kLetterSymbols = 27;

SampleEntry next_letter();

// Runs of anything but letters become one symbol, 26.
std::vector<std::uint8_t> fold_letters(const Bytes& text);

// Positions spread evenly over the symbols. Throws ConfigError unless inputs is a multiple of 4,
// DataError for fewer symbols than samples + 4.
TensorMap letter_samples(const std::vector<std::uint8_t>& symbols, const SampleRequest& request);

}  // namespace muonflow::data
