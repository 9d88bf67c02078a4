#include "muonflow/cli/bench_kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/polar/plain.hpp"

namespace muonflow::cli {
namespace {

constexpr std::int64_t kSteps = 5;
constexpr std::array kShapes{std::pair<Index, Index>{128, 128}, std::pair<Index, Index>{256, 256},
                             std::pair<Index, Index>{512, 512}, std::pair<Index, Index>{768, 768},
                             std::pair<Index, Index>{128, 512}, std::pair<Index, Index>{512, 2048}};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Seconds of one call, over as many calls as make `least` seconds.
double timed(const std::function<void()>& call, double least) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double seconds = 0;
  int calls = 0;
  do {
    call();
    ++calls;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (seconds < least);
  return seconds / calls;
}

Matrix<float> gaussian(Index rows, Index cols) {
  Rng rng(1, static_cast<std::uint64_t>(rows * 10000 + cols));
  Matrix<float> a(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) a(i, j) = static_cast<float>(rng.normal());
  }
  return a;
}

}  // namespace

int bench_kernels(const BenchKernels& bench) {
  fmt::print("Five Jordan steps, float32, {} threads, OpenBLAS kernels {}. Medians of {} rounds,\n",
             threads(), linalg::blas_core_name(), bench.rounds);
  fmt::print("contenders in turn; GF/s counts the flops of plain products for everybody.\n\n");
  fmt::print("{:>12} | {:>9} {:>6} | {:>12} {:>6} {:>6} | {:>14} {:>6} {:>6}\n", "shape", "ours ms",
             "GF/s", "oneDNN ms", "GF/s", "ratio", "OpenBLAS ms", "GF/s", "ratio");
  for (const auto& [m, n] : kShapes) {
    const Matrix<float> input = gaussian(m, n);
    Matrix<float> x = input;
    linalg::Workspace<float> workspace;
    const std::array<std::function<void()>, 3> contenders{
        [&] {
          x = input;
          (void)linalg::polar<float>(x, {.ns_steps = kSteps}, workspace);
        },
        [&] {
          x = input;
          linalg::plain_jordan(x, kSteps, linalg::ProductLibrary::onednn, workspace);
        },
        [&] {
          x = input;
          linalg::plain_jordan(x, kSteps, linalg::ProductLibrary::openblas, workspace);
        }};
    std::array<std::vector<double>, 3> times;
    for (const auto& call : contenders) call();  // kernels are generated and memory is touched
    for (std::int64_t round = 0; round < bench.rounds; ++round) {
      for (std::size_t i = 0; i < contenders.size(); ++i) {
        times[i].push_back(timed(contenders[i], bench.seconds));
      }
    }
    const double flops = linalg::plain_jordan_flops(m, n, kSteps);
    const std::array<double, 3> seconds{median(times[0]), median(times[1]), median(times[2])};
    fmt::print(
        "{:>12} | {:>9.3f} {:>6.0f} | {:>12.3f} {:>6.0f} {:>5.2f}x | {:>14.3f} {:>6.0f} "
        "{:>5.2f}x\n",
        fmt::format("{} x {}", m, n), 1e3 * seconds[0], 1e-9 * flops / seconds[0], 1e3 * seconds[1],
        1e-9 * flops / seconds[1], seconds[1] / seconds[0], 1e3 * seconds[2],
        1e-9 * flops / seconds[2], seconds[2] / seconds[0]);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace muonflow::cli
