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

constexpr double kMapEpsilon = 1e-2;  // of the regularized map, relative to ||X||_F / sqrt(r)

enum class WorkKind {
  polar,              // one matrix by five quintic steps
  polar_batch,        // the same for 32 equal ones
  muon,               // the 24 hidden matrices of a GPT of 10.6 million parameters
  regularized,        // the exact regularized polar factor of one matrix of condition 1e4
  regularized_batch,  // the same for a batch of tiny Gaussian ones
  inverse_root,       // C^(-1/2) and C^(-1/4) of a positive definite matrix of condition 1e4
};

// Sizes are not used by `muon`; `inverse_root` takes their first number.
struct WorkPlan {
  WorkKind kind = WorkKind::polar;
  MatrixShape size = {};
  int p = 2;  // of `inverse_root`
};

// Kinds by name, joined by commas, or "all"; sizes "M" (square) or "M,N". Without kinds: polar
// where sizes are given, else all; without sizes: each kind's own. Throws ConfigError.
std::vector<WorkPlan> planned_works(const std::string& kinds,
                                    const std::vector<std::string>& sizes);

struct OurWay {
  std::string note;  // "coupled Newton"; empty where there is one way only
  std::function<void(Matrices&)> run;
};

struct Work {
  WorkKind kind{};
  std::string title;  // "polar by 5 quintic steps"
  std::string size;   // "768 x 3072", "10,000 of 16 x 16"
  Task task{};
  Matrices input;
  double number = 0;                  // epsilon of a regularized map, p of an inverse root
  double flops = 0;                   // of one call by the plain method
  std::vector<Matrix<double>> exact;  // of the first of the matrices, in double
  std::vector<OurWay> ours;           // what the library does by itself comes first
};

Work make_work(const WorkPlan& plan);

}  // namespace muonflow::cli

template <>
struct muonflow::EnumNames<muonflow::cli::WorkKind> {
  static constexpr std::array<std::string_view, 6> names{
      "polar", "polar_batch", "muon", "regularized", "regularized_batch", "inverse_root"};
};
