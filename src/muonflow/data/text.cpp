#include "muonflow/data/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::data {

Bytes read_text(const std::filesystem::path& path) {
  InputFile file(path);
  Bytes bytes(static_cast<std::size_t>(file.size()));
  file.read(std::as_writable_bytes(std::span(bytes)));
  if (bytes.empty()) throw DataError({.place = path.string(), .what = "the text is empty"});
  return bytes;
}

Corpus split_tail(Bytes bytes, double validation_fraction, const std::string& name) {
  if (!(validation_fraction > 0 && validation_fraction < 1)) {
    throw ConfigError({.place = name,
                       .what = "validation fraction",
                       .expected = "a number in (0, 1)",
                       .found = shortest(validation_fraction)});
  }
  if (bytes.size() < 2) {
    throw DataError({.place = name,
                     .what = "too short to split",
                     .expected = "at least 2 bytes",
                     .found = std::to_string(bytes.size())});
  }
  const auto wished = std::round(static_cast<double>(bytes.size()) * validation_fraction);
  const auto tail = std::clamp<std::size_t>(static_cast<std::size_t>(wished), 1, bytes.size() - 1);
  const auto cut = bytes.end() - static_cast<std::ptrdiff_t>(tail);
  Corpus text;
  text.validation.assign(cut, bytes.end());
  bytes.erase(cut, bytes.end());
  text.training = std::move(bytes);
  return text;
}

Corpus load_files(const std::filesystem::path& path, const std::filesystem::path& validation,
                  double validation_fraction) {
  auto bytes = read_text(path);
  if (validation.empty()) return split_tail(std::move(bytes), validation_fraction, path.string());
  return {std::move(bytes), read_text(validation)};
}

}  // namespace muonflow::data
