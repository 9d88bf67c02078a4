// muonflow bench kernels: polar factors and inverse roots by our kernels beside those of other
// libraries.
#pragma once

#include <cstdint>
#include <vector>

#include "muonflow/cli/bench/output.hpp"
#include "muonflow/cli/bench/rivals.hpp"
#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/cli/bench/work.hpp"

namespace muonflow::cli {

struct BenchKernels {
  std::vector<WorkPlan> works;
  Peers peers;
  Turns turns;
  double seconds = 0.02;  // a turn repeats short calls for at least this long
  BenchOutput output;
};

// Prints a table a work; returns the exit code.
int bench_kernels(const BenchKernels& bench);

}  // namespace muonflow::cli
