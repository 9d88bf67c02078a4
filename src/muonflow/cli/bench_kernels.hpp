// muonflow bench kernels: five Jordan steps by our kernels beside plain library products.
#pragma once

#include <cstdint>

namespace muonflow::cli {

struct BenchKernels {
  std::int64_t rounds = 11;  // every contender is timed once a round, in turn
  double seconds = 0.02;     // a timing repeats short calls for at least this long
};

// Prints a table of medians to stdout; returns the exit code.
int bench_kernels(const BenchKernels& bench);

}  // namespace muonflow::cli
