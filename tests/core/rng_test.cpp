#include "muonflow/core/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace muonflow {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Philox4x32-10 written from the paper (Salmon et al. 2011, section 3.3), the twin of Random123's.
Words philox(Words counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// Known answers published with Random123 (its kat_vectors file).
TEST(Rng, TheTwinGivesThePublishedAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(
      philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
      (Words{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Rng, IsPhiloxOfBlockStreamAndSeed) {
  const std::uint64_t seed = 0x0123456789abcdefu;
  const std::uint64_t stream = 0xfedcba9876543210u;
  const std::uint64_t block = 0x0000000500000007u;  // both halves of the counter are used
  Rng rng(seed, stream, 4 * block);
  const auto expected = philox({7, 5, 0x76543210u, 0xfedcba98u}, {0x89abcdefu, 0x01234567u});
  for (const auto word : expected) EXPECT_EQ(rng.bits32(), word);
  EXPECT_EQ(rng.position(), 4 * block + 4);
}

TEST(Rng, SixtyFourBitsAreTwoWordsLowFirst) {
  Rng words(3, 4), pairs(3, 4);
  const std::uint64_t low = words.bits32();
  const std::uint64_t high = words.bits32();
  EXPECT_EQ(pairs.bits64(), low | (high << 32));
}

TEST(Rng, ContinuesAtAnySavedPosition) {
  Rng rng(42, 7);
  for (int drawn = 0; drawn < 9; ++drawn) {
    Rng restored(rng.seed(), rng.stream(), rng.position());
    Rng original = rng;
    for (int i = 0; i < 11; ++i) EXPECT_EQ(restored.bits32(), original.bits32());
    EXPECT_EQ(restored.normal(), original.normal());
    EXPECT_EQ(restored.below(10), original.below(10));
    (void)rng.bits32();
  }
}

TEST(Rng, UniformHasTheMomentsOfItsLaw) {
  Rng rng(1);
  constexpr int kCount = 200'000;
  double sum = 0, squares = 0, lowest = 1, highest = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = rng.uniform();
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
    sum += u;
    squares += u * u;
  }
  EXPECT_GE(lowest, 0);
  EXPECT_LT(highest, 1);
  // Five standard errors of the mean: sd(u) = sqrt(1/12), sd(u^2) = sqrt(4/45).
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
}

TEST(Rng, NormalHasTheMomentsOfItsLaw) {
  Rng rng(2);
  constexpr int kCount = 200'000;
  std::array<double, 5> moments{};
  for (int i = 0; i < kCount; ++i) {
    const double x = rng.normal();
    ASSERT_TRUE(std::isfinite(x));
    for (std::size_t k = 1; k < moments.size(); ++k) {
      moments[k] += std::pow(x, static_cast<double>(k)) / kCount;
    }
  }
  // Five standard errors; var(x^k) = E x^2k - (E x^k)^2 = 1, 2, 15, 96.
  EXPECT_NEAR(moments[1], 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[4], 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Rng, BelowIsEvenAndInside) {
  Rng rng(3);
  constexpr int kCount = 60'000;
  std::array<int, 6> seen{};
  for (int i = 0; i < kCount; ++i) ++seen[rng.below(6)];
  // chi squared with 5 degrees of freedom exceeds 29.9 once in 65,000 runs.
  double chi = 0;
  for (const int n : seen) chi += std::pow(n - kCount / 6.0, 2) / (kCount / 6.0);
  EXPECT_LT(chi, 29.9);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, BelowAHugeCountStaysBelow) {
  Rng rng(4);
  const std::uint64_t count = (std::uint64_t{1} << 63) + 1;  // nearly half of the draws are refused
  for (int i = 0; i < 100; ++i) EXPECT_LT(rng.below(count), count);
}

TEST(Rng, StreamsAndSeedsAreUncorrelated) {
  constexpr int kCount = 100'000;
  const auto correlation = [](Rng a, Rng b) {
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += a.normal() * b.normal();
    return sum / kCount;
  };
  // The product of independent standard normals has variance 1: five standard errors.
  const double bound = 5 / std::sqrt(kCount);
  EXPECT_LT(std::abs(correlation(Rng(5, 0), Rng(5, 1))), bound);
  EXPECT_LT(std::abs(correlation(Rng(5, 0), Rng(6, 0))), bound);
  EXPECT_NEAR(correlation(Rng(5, 3), Rng(5, 3)), 1, 5 * std::sqrt(2.0 / kCount));
}

}  // namespace
}  // namespace muonflow
