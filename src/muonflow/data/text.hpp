// Text as bytes, in a part to train on and a part to validate on. A token is a byte: there is no
// vocabulary to make, and every text can be read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace muonflow::data {

inline constexpr std::int64_t kByteVocabulary = 256;

using Bytes = std::vector<std::uint8_t>;

struct Corpus {
  Bytes training;
  Bytes validation;
};

// Throws IoError (missing, unreadable), DataError (empty).
Bytes read_text(const std::filesystem::path& path);

// The last `validation_fraction` of the bytes, in (0, 1), is for validation; both parts get at
// least one byte. Throws ConfigError for another fraction, DataError for a text of less than two
// bytes; `name` is for messages.
Corpus split_tail(Bytes bytes, double validation_fraction, const std::string& name);

// A text file of one's own: `validation` is a second file, or empty for the tail of the first.
Corpus load_files(const std::filesystem::path& path, const std::filesystem::path& validation,
                  double validation_fraction);

}  // namespace muonflow::data
