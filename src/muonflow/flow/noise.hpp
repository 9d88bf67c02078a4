// Isotropic noise on the gradients, a function of the seed, the particle and the step alone: the
// same for any number of threads and of processes, and after a resume.
#pragma once

#include <cstdint>

#include "muonflow/core/matrix.hpp"
#include "muonflow/flow/layout.hpp"

namespace muonflow::flow {

// G [N, d] <- G + deviation Z_k, Z_k iid N(0, 1), another draw for every step k. With steps of
// length h the momentum averages 1 / (gamma h) draws: a fixed deviation is the optimizer's own
// noise, which fades as h -> 0; deviation / sqrt(h) is that of the stochastic equation dM = gamma
// (G - M) dt + gamma deviation dB.
template <class T>
void add_noise(double deviation, std::uint64_t seed, std::int64_t step, const Layout& layout,
               Matrix<T>& G);

}  // namespace muonflow::flow
