// muonflow bench flow: particle-steps a second of the regularized Muon flow for tiny matrices, from
// a thousand particles to a million, beside the same scheme written with batched calls of PyTorch
// and NumPy and with a loop over OpenBLAS; and what a second process brings.
#pragma once

#include <string>
#include <vector>

#include "muonflow/cli/bench/output.hpp"
#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::cli {

struct FlowSize {
  Index rows, cols, particles;
};

struct BenchFlow {
  std::vector<FlowSize> sizes;
  bool peers = true;  // rivals, up to kMostForPeers particles
  bool ranks = true;  // two processes of one thread beside one, where MPI is there
  Turns turns{.rounds = 5, .budget = 6};
  double seconds = 0.1;  // a turn repeats short steps for at least this long
  BenchOutput output;
};

inline constexpr Index kMostForPeers = 10000;

// Empty text: 4x8, 16x16 and 32x32 with 1e3, 1e4, 1e5 and 1e6 particles as far as 6 GB hold them.
// Otherwise shapes MxN joined by commas, and numbers of particles joined by commas. Throws
// ConfigError.
std::vector<FlowSize> flow_sizes_named(const std::vector<std::string>& shapes,
                                       const std::string& particles);

// Prints a table; returns the exit code.
int bench_flow(const BenchFlow& bench);

}  // namespace muonflow::cli
