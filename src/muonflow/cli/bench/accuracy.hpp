// muonflow bench accuracy: the error of every polar method, and of the regularized polar map,
// against condition number, in float and in double.
#pragma once

#include <cstdint>

#include "muonflow/cli/bench/output.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::cli {

struct BenchAccuracy {
  Index size = 64;
  std::int64_t steps = 5;  // of the polynomial methods
  BenchOutput output;
};

// Prints two tables; returns the exit code.
int bench_accuracy(const BenchAccuracy& bench);

}  // namespace muonflow::cli
