// Windows of a text as training examples: tokens [B, T] and the tokens that follow them.
//
// Example k begins at a place drawn from (seed, k) alone, by the counter-based generator: the order
// of the data does not depend on batch size or threads, and a place in it is two integers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::data {

// Where the next example comes from.
struct Cursor {
  std::int64_t seed = 0;
  std::int64_t examples = 0;  // drawn so far

  bool operator==(const Cursor&) const = default;
  void fields(FieldVisitor& v);
};

// Random windows, with replacement. Borrows the text.
class TokenBatches {
 public:
  // Throws DataError for a text of fewer than time + 1 bytes, ConfigError for sizes below 1.
  TokenBatches(std::span<const std::uint8_t> text, Index batch, Index time, std::uint64_t seed);

  Index batch() const { return batch_; }
  Index time() const { return time_; }
  // How many there are to draw from.
  std::int64_t windows() const { return static_cast<std::int64_t>(text_.size()) - time_; }

  // tokens, targets: [batch, time], row-major; targets are the tokens one place later. Throws
  // ShapeError for spans of another size.
  void next(std::span<std::int32_t> tokens, std::span<std::int32_t> targets);

  const Cursor& cursor() const { return cursor_; }
  // Goes on exactly as the batches went on from which the cursor was taken.
  void seek(const Cursor& cursor) { cursor_ = cursor; }

 private:
  std::span<const std::uint8_t> text_;
  Index batch_;
  Index time_;
  Cursor cursor_;
};

// The same `count` batches every time, for evaluation: windows spread evenly over the text, which
// overlap only where the text is shorter than they are together. Owns its tokens.
class FixedBatches {
 public:
  // Throws like TokenBatches.
  FixedBatches(std::span<const std::uint8_t> text, Index batch, Index time, Index count);

  Index batch() const { return batch_; }
  Index time() const { return time_; }
  Index count() const { return count_; }

  struct Batch {
    std::span<const std::int32_t> tokens;   // [batch, time]
    std::span<const std::int32_t> targets;  // [batch, time]
  };
  // 0 <= index < count; lives as long as this object.
  Batch at(Index index) const;

 private:
  Index batch_;
  Index time_;
  Index count_;
  std::vector<std::int32_t> tokens_;   // [count, batch, time]
  std::vector<std::int32_t> targets_;  // [count, batch, time]
};

}  // namespace muonflow::data
