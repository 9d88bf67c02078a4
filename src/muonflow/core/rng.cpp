#include "muonflow/core/rng.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace muonflow {

std::uint32_t Rng::bits32() {
  const std::uint64_t block = position_ / 4;
  if (block != block_) {
    // Key: the seed. Counter: the block (low words) and the stream (high words).
    const r123::Philox4x32::ctr_type counter{
        {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
         static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)}};
    const r123::Philox4x32::key_type key{
        {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}};
    const auto drawn = r123::Philox4x32()(counter, key);
    for (std::size_t i = 0; i < 4; ++i) words_[i] = drawn[i];
    block_ = block;
  }
  return words_[position_++ % 4];
}

std::uint64_t Rng::bits64() {
  const std::uint64_t low = bits32();
  return low | (static_cast<std::uint64_t>(bits32()) << 32);
}

double Rng::uniform() { return static_cast<double>(bits64() >> 11) * 0x1.0p-53; }

std::uint64_t Rng::below(std::uint64_t count) {
  // Rejects the incomplete last run of values, so that every result is equally likely.
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % count + 1) % count;
  std::uint64_t bits = bits64();
  while (bits > limit) bits = bits64();
  return bits % count;
}

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace muonflow
