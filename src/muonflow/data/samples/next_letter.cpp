#include "muonflow/data/samples/next_letter.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/data/datasets.hpp"
#include "muonflow/data/datasets/austen.hpp"

namespace muonflow::data {
namespace {

TensorMap read_letters(const SampleRequest& request, const std::filesystem::path& from) {
  return letter_samples(fold_letters(load(austen(), from).training), request);
}

}  // namespace

std::vector<std::uint8_t> fold_letters(const Bytes& text) {
  constexpr std::uint8_t kBetween = kLetterSymbols - 1;
  std::vector<std::uint8_t> symbols;
  symbols.reserve(text.size());
  for (const auto byte : text) {
    const int lower = byte | 0x20;
    if (lower >= 'a' && lower <= 'z') {
      symbols.push_back(static_cast<std::uint8_t>(lower - 'a'));
    } else if (!symbols.empty() && symbols.back() != kBetween) {
      symbols.push_back(kBetween);
    }
  }
  return symbols;
}

TensorMap letter_samples(const std::vector<std::uint8_t>& symbols, const SampleRequest& request) {
  if (request.inputs < kLetterContext || request.inputs % kLetterContext != 0) {
    throw ConfigError({.place = request.place,
                       .what = "inputs of data set next_letter",
                       .expected = "a multiple of 4",
                       .found = std::to_string(request.inputs)});
  }
  const auto count = static_cast<std::int64_t>(symbols.size()) - kLetterContext;
  if (count < request.samples) {
    throw DataError({.place = "data set next_letter",
                     .expected = std::to_string(request.samples + kLetterContext) + " symbols",
                     .found = std::to_string(symbols.size())});
  }
  const auto width = request.inputs / kLetterContext;
  Matrix<float> vectors(kLetterSymbols, width);
  for (std::int64_t s = 0; s < kLetterSymbols; ++s) {
    Rng rng(0, static_cast<std::uint64_t>(s));
    for (std::int64_t k = 0; k < width; ++k) vectors(s, k) = static_cast<float>(rng.normal());
  }
  Matrix<float> x(request.samples, request.inputs);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(request.samples));
  for (std::int64_t i = 0; i < request.samples; ++i) {
    const auto begin = static_cast<std::size_t>(i * count / request.samples);
    for (std::int64_t k = 0; k < kLetterContext; ++k) {
      x.row(i).segment(k * width, width) =
          vectors.row(symbols[begin + static_cast<std::size_t>(k)]);
    }
    labels[static_cast<std::size_t>(i)] = symbols[begin + kLetterContext];
  }
  return {{"X", make_tensor<float>(ConstMatrixRef<float>(x))},
          {"labels", make_tensor<std::int64_t>({request.samples}, labels)}};
}

SampleEntry next_letter() {
  const auto text = austen();
  return {.name = "next_letter",
          .summary = "the letter that follows four in the novels of Jane Austen, 27 classes",
          .licence = text.licence,
          .obtain = text.obtain,
          .corpus = text.name,
          .most = 1'000'000,
          .read = read_letters};
}

}  // namespace muonflow::data
