// muonflow bench training: tokens a second of one training step, beside PyTorch.
#pragma once

#include <cstdint>

#include "muonflow/cli/bench/output.hpp"

namespace muonflow::cli {

struct BenchTraining {
  std::int64_t n_layer = 6;
  std::int64_t n_head = 6;
  std::int64_t n_embd = 384;
  std::int64_t block_size = 256;
  std::int64_t vocab_size = 256;
  std::int64_t batch = 8;
  std::int64_t rounds = 5;  // every contender does one step a round, in turn
  bool peers = true;  // PyTorch as installed, and with the right BLAS kernels where they differ
  BenchOutput output;
};

// Prints a table of medians; returns the exit code.
int bench_training(const BenchTraining& bench);

}  // namespace muonflow::cli
