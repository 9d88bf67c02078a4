#include "muonflow/data/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "muonflow/core/error.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::data {
namespace {

using test::message_of;

// Byte i is i, so that a token tells its place.
std::vector<std::uint8_t> counting(std::size_t size) {
  std::vector<std::uint8_t> text(size);
  std::iota(text.begin(), text.end(), std::uint8_t{0});
  return text;
}

struct Drawn {
  std::vector<std::int32_t> tokens, targets;
};

Drawn draw(TokenBatches& batches) {
  const auto size = static_cast<std::size_t>(batches.batch() * batches.time());
  Drawn drawn{std::vector<std::int32_t>(size), std::vector<std::int32_t>(size)};
  batches.next(drawn.tokens, drawn.targets);
  return drawn;
}

TEST(TokenBatches, AreWindowsAndWhatFollows) {
  const auto text = counting(100);
  TokenBatches batches(text, 4, 7, 1);
  EXPECT_EQ(batches.batch(), 4);
  EXPECT_EQ(batches.time(), 7);
  for (int i = 0; i < 20; ++i) {
    const auto drawn = draw(batches);
    for (std::size_t row = 0; row < 4; ++row) {
      for (std::size_t t = 0; t < 7; ++t) {
        EXPECT_EQ(drawn.tokens[row * 7 + t], drawn.tokens[row * 7] + static_cast<int>(t));
        EXPECT_EQ(drawn.targets[row * 7 + t], drawn.tokens[row * 7 + t] + 1);
      }
    }
  }
}

TEST(TokenBatches, ReachEveryPlaceEvenly) {
  const auto text = counting(20);
  TokenBatches batches(text, 10, 4, 3);  // 16 places
  std::vector<int> seen(16);
  for (int i = 0; i < 800; ++i) {
    const auto drawn = draw(batches);
    for (std::size_t row = 0; row < 10; ++row) {
      ++seen.at(static_cast<std::size_t>(drawn.tokens[row * 4]));
    }
  }
  // 15 degrees of freedom: chi squared exceeds 44.3 once in 10,000 runs.
  double chi = 0;
  for (const int n : seen) chi += std::pow(n - 500.0, 2) / 500;
  EXPECT_LT(chi, 44.3);
}

TEST(TokenBatches, BytesAreNotSigned) {
  const std::vector<std::uint8_t> text(10, 255);
  TokenBatches batches(text, 1, 4, 0);
  EXPECT_EQ(draw(batches).tokens[0], 255);
}

TEST(TokenBatches, TheSameSeedGivesTheSameOrder) {
  const auto text = counting(200);
  TokenBatches a(text, 4, 8, 5), b(text, 4, 8, 5), other(text, 4, 8, 6);
  const auto first = draw(a);
  EXPECT_EQ(first.tokens, draw(b).tokens);
  EXPECT_NE(first.tokens, draw(other).tokens);
  EXPECT_NE(first.tokens, draw(a).tokens);
}

TEST(TokenBatches, TheOrderDoesNotDependOnTheBatchSize) {
  const auto text = counting(200);
  TokenBatches large(text, 4, 8, 5), small(text, 1, 8, 5);
  const auto together = draw(large).tokens;
  std::vector<std::int32_t> apart;
  for (int i = 0; i < 4; ++i) {
    const auto one = draw(small).tokens;
    apart.insert(apart.end(), one.begin(), one.end());
  }
  EXPECT_EQ(together, apart);
}

TEST(TokenBatches, ACursorGoesOnExactly) {
  const auto text = counting(200);
  TokenBatches original(text, 3, 8, 9);
  for (int i = 0; i < 5; ++i) draw(original);
  // As a checkpoint keeps it.
  const Json saved = to_json(original.cursor());
  Cursor cursor;
  read(saved, cursor);
  EXPECT_EQ(cursor, original.cursor());
  EXPECT_EQ(cursor.examples, 15);
  TokenBatches restored(text, 3, 8, 1);
  restored.seek(cursor);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(draw(restored).tokens, draw(original).tokens);
}

TEST(TokenBatches, SeedsOfAllBitsAreKept) {
  const auto text = counting(200);
  TokenBatches batches(text, 1, 8, ~std::uint64_t{0});
  TokenBatches same(text, 1, 8, 0);
  same.seek(batches.cursor());
  EXPECT_EQ(draw(same).tokens, draw(batches).tokens);
}

TEST(TokenBatches, TheShortestText) {
  const auto text = counting(5);
  TokenBatches batches(text, 2, 4, 0);
  EXPECT_EQ(draw(batches).targets, (std::vector<std::int32_t>{1, 2, 3, 4, 1, 2, 3, 4}));
  EXPECT_EQ(message_of<DataError>([&] { TokenBatches(text, 2, 5, 0); }),
            "the text is too short for one example: expected at least 6 bytes, found 5 (a shorter "
            "block_size, or more text)");
  EXPECT_THROW(TokenBatches({}, 1, 1, 0), DataError);
}

TEST(TokenBatches, RefuseSizesThatAreNone) {
  const auto text = counting(50);
  for (const auto& [batch, time] : std::vector<std::pair<Index, Index>>{{0, 4}, {4, 0}, {-1, 4}}) {
    EXPECT_THROW(TokenBatches(text, batch, time, 0), ConfigError);
  }
  EXPECT_THROW(FixedBatches(text, 1, 4, 0), ConfigError);
  TokenBatches batches(text, 2, 4, 0);
  std::vector<std::int32_t> tokens(8), targets(7);
  EXPECT_EQ(message_of<ShapeError>([&] { batches.next(tokens, targets); }),
            "tokens and targets: expected 8 each, found 8 and 7");
  EXPECT_EQ(batches.cursor().examples, 0);
}

TEST(FixedBatches, SpreadOverTheWholeText) {
  const auto text = counting(101);
  const FixedBatches batches(text, 2, 10, 3);
  EXPECT_EQ(batches.count(), 3);
  std::set<std::int32_t> begins;
  for (Index i = 0; i < 3; ++i) {
    const auto [tokens, targets] = batches.at(i);
    ASSERT_EQ(tokens.size(), 20u);
    for (std::size_t t = 0; t < tokens.size(); ++t) EXPECT_EQ(targets[t], tokens[t] + 1);
    begins.insert({tokens[0], tokens[10]});
  }
  EXPECT_EQ(begins, (std::set<std::int32_t>{0, 18, 36, 54, 72, 90}));  // 90 + 10 is the last byte
}

TEST(FixedBatches, MayOverlapInAShortText) {
  const auto text = counting(6);
  const FixedBatches batches(text, 4, 5, 2);
  for (Index i = 0; i < 2; ++i) EXPECT_EQ(batches.at(i).tokens[0], 0);
  const FixedBatches one(text, 1, 3, 1);
  EXPECT_EQ(one.at(0).targets[2], 3);
}

TEST(FixedBatches, OwnTheirTokens) {
  auto text = counting(50);
  const FixedBatches batches(text, 1, 4, 2);
  const FixedBatches copy = batches;
  std::fill(text.begin(), text.end(), std::uint8_t{9});
  EXPECT_EQ(copy.at(0).tokens[3], 3);
  EXPECT_NE(copy.at(0).tokens.data(), batches.at(0).tokens.data());
}

}  // namespace
}  // namespace muonflow::data
