#include "muonflow/flow/noise.hpp"

#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::flow {

template <class T>
void add_noise(double deviation, std::uint64_t seed, std::int64_t step, const Layout& layout,
               Matrix<T>& G) {
  // Streams below are those of the weights, one a particle as well.
  constexpr std::uint64_t kNoiseStreams = std::uint64_t{1} << 63;
  constexpr std::uint64_t kWordsPerNormal = 4;
  const auto width = static_cast<std::uint64_t>(layout.width());
  const std::uint64_t position = static_cast<std::uint64_t>(step) * width * kWordsPerNormal;
  parallel_for(layout.particles(), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Rng rng(seed, kNoiseStreams | static_cast<std::uint64_t>(layout.first() + i), position);
      for (Index k = 0; k < layout.width(); ++k) {
        G(i, k) += static_cast<T>(deviation * rng.normal());
      }
    }
  });
}

template void add_noise(double, std::uint64_t, std::int64_t, const Layout&, Matrix<float>&);
template void add_noise(double, std::uint64_t, std::int64_t, const Layout&, Matrix<double>&);

}  // namespace muonflow::flow
