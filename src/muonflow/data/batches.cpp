#include "muonflow/data/batches.hpp"

#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::data {
namespace {

// Weights and data are drawn with the same seed; without this they would share their bits.
constexpr std::uint64_t kDataKey = 0x64617461'62617463u;

void check(std::span<const std::uint8_t> text, Index batch, Index time, Index count) {
  if (batch < 1 || time < 1 || count < 1) {
    throw ConfigError({.what = "batches",
                       .expected = "a batch size, a length and a count of at least 1",
                       .found = std::to_string(batch) + ", " + std::to_string(time) + " and " +
                                std::to_string(count)});
  }
  if (static_cast<Index>(text.size()) <= time) {
    throw DataError({.what = "the text is too short for one example",
                     .expected = "at least " + std::to_string(time + 1) + " bytes",
                     .found = std::to_string(text.size()),
                     .advice = "a shorter block_size, or more text"});
  }
}

// One window and what follows each of its bytes.
void copy_window(std::span<const std::uint8_t> text, Index begin, std::span<std::int32_t> tokens,
                 std::span<std::int32_t> targets) {
  const auto window = text.subspan(static_cast<std::size_t>(begin), tokens.size() + 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = window[i];
    targets[i] = window[i + 1];
  }
}

}  // namespace

void Cursor::fields(FieldVisitor& v) {
  v.integer("seed", seed, {}, "of the order of the examples");
  v.integer("examples", examples, kNonNegative, "drawn so far");
}

TokenBatches::TokenBatches(std::span<const std::uint8_t> text, Index batch, Index time,
                           std::uint64_t seed)
    : text_(text),
      batch_(batch),
      time_(time),
      cursor_{.seed = static_cast<std::int64_t>(seed), .examples = 0} {
  check(text, batch, time, 1);
}

void TokenBatches::next(std::span<std::int32_t> tokens, std::span<std::int32_t> targets) {
  const auto size = static_cast<std::size_t>(batch_ * time_);
  if (tokens.size() != size || targets.size() != size) {
    throw ShapeError(
        {.what = "tokens and targets",
         .expected = std::to_string(size) + " each",
         .found = std::to_string(tokens.size()) + " and " + std::to_string(targets.size())});
  }
  const auto places = static_cast<std::uint64_t>(text_.size()) - static_cast<std::uint64_t>(time_);
  const auto length = static_cast<std::size_t>(time_);
  for (std::size_t row = 0; row < static_cast<std::size_t>(batch_); ++row) {
    Rng rng(static_cast<std::uint64_t>(cursor_.seed) ^ kDataKey,
            static_cast<std::uint64_t>(cursor_.examples++));
    copy_window(text_, static_cast<Index>(rng.below(places)), tokens.subspan(row * length, length),
                targets.subspan(row * length, length));
  }
}

FixedBatches::FixedBatches(std::span<const std::uint8_t> text, Index batch, Index time, Index count)
    : batch_(batch), time_(time), count_(count) {
  check(text, batch, time, count);
  const Index windows = batch * count;
  const auto length = static_cast<std::size_t>(time);
  tokens_.resize(static_cast<std::size_t>(windows) * length);
  targets_.resize(tokens_.size());
  const Index last = static_cast<Index>(text.size()) - time - 1;  // the last possible beginning
  for (Index w = 0; w < windows; ++w) {
    const Index begin = windows == 1 ? 0 : last * w / (windows - 1);
    const auto offset = static_cast<std::size_t>(w) * length;
    copy_window(text, begin, std::span(tokens_).subspan(offset, length),
                std::span(targets_).subspan(offset, length));
  }
}

FixedBatches::Batch FixedBatches::at(Index index) const {
  const auto size = static_cast<std::size_t>(batch_ * time_);
  const auto offset = static_cast<std::size_t>(index) * size;
  return {std::span(tokens_).subspan(offset, size), std::span(targets_).subspan(offset, size)};
}

}  // namespace muonflow::data
