// The rows of `bench kernels`: what is computed, on which input, by us, and what it should give.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/cli/bench/matrices.hpp"
#include "muonflow/cli/bench/rivals.hpp"
#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

enum class WorkKind {
  polar,              // one matrix by five quintic steps
  polar_batch,        // the same for 32 equal ones
  muon,               // the 24 hidden matrices of a GPT of 10.6 million parameters
  regularized,        // the exact regularized polar factor of one matrix of condition 1e4
  regularized_batch,  // the same for a batch of tiny Gaussian ones
};

// Sizes are not used by `muon`.
struct WorkPlan {
  WorkKind kind = WorkKind::polar;
  MatrixShape size = {};
};

// Kinds by name, joined by commas, or "all"; sizes "M" (square) or "M,N". Without kinds: polar
// where sizes are given, else all; without sizes: each kind's own. Throws ConfigError.
std::vector<WorkPlan> planned_works(const std::string& kinds,
                                    const std::vector<std::string>& sizes);

struct Work {
  WorkKind kind{};
  std::string title;  // "polar by 5 quintic steps"
  std::string size;   // "768 x 3072", "10,000 of 16 x 16"
  Task task{};
  Matrices input;
  double epsilon = 0;                 // of a regularized map
  double flops = 0;                   // of one call by the plain method
  std::vector<Matrix<double>> exact;  // of the first of the matrices, in double
  std::function<void(Matrices&)> ours;
};

Work make_work(const WorkPlan& plan);

}  // namespace muonflow::cli

template <>
struct muonflow::EnumNames<muonflow::cli::WorkKind> {
  static constexpr std::array<std::string_view, 5> names{"polar", "polar_batch", "muon",
                                                         "regularized", "regularized_batch"};
};
