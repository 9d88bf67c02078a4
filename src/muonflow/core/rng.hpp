// Counter-based random numbers: a value depends on (seed, stream, position) alone, never on the
// number of threads.
//
// Philox4x32-10 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) from
// Random123. Two generators with different streams are independent; a generator is its three
// numbers, so saving one is saving three integers.
#pragma once

#include <array>
#include <cstdint>

namespace muonflow {

class Rng {
 public:
  explicit Rng(std::uint64_t seed = 0, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  // Continues at a position saved with position().
  Rng(std::uint64_t seed, std::uint64_t stream, std::uint64_t position)
      : seed_(seed), stream_(stream), position_(position) {}

  std::uint64_t seed() const { return seed_; }
  std::uint64_t stream() const { return stream_; }
  std::uint64_t position() const { return position_; }  // 32-bit words drawn so far

  std::uint32_t bits32();
  std::uint64_t bits64();
  // Uniform on [0, 1) with 53 bits.
  double uniform();
  // Uniform on {0, ..., count - 1}, without bias; count > 0.
  std::uint64_t below(std::uint64_t count);
  // Standard normal, by Box and Muller's polar-free form: two uniforms a value, no cached second
  // value, so that the state is the position alone.
  double normal();

 private:
  std::uint64_t seed_ = 0;
  std::uint64_t stream_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t block_ = ~std::uint64_t{0};  // which block of four words `words_` holds
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace muonflow
