#include "muonflow/linalg/plan.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/cpu.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/polar.hpp"

namespace muonflow::linalg {
namespace {

PlanTable& table_in_force() {
  static PlanTable table;
  return table;
}

constexpr Range kDepthBlocks{.lo = 16, .hi = 1 << 20};
constexpr Range kAspects{.lo = 1, .hi = 1e6};

// The best of several calls, in turn with the other candidates: what others do on the machine only
// ever adds time.
double best_seconds(const Matrix<float>& input, const PlanTable& table, Workspace<float>& workspace,
                    const Polar& options, int turns) {
  using Clock = std::chrono::steady_clock;
  const PlanTable before = plan_table();
  table_in_force() = table;
  double best = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < turns; ++turn) {
    Matrix<float> x = input;
    const auto start = Clock::now();
    (void)polar<float>(x, options, workspace);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  table_in_force() = before;
  return best;
}

Matrix<float> gaussian(Index rows, Index cols) {
  Rng rng(1, static_cast<std::uint64_t>(cols));
  Matrix<float> a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<float>(rng.normal());
  return a;
}

}  // namespace

void PlanTable::fields(FieldVisitor& v) {
  v.choice("engine", engine, "who multiplies");
  v.real("gram_aspect", gram_aspect, kAspects, "from this ratio of the sides on by Gram matrices");
  v.integer("depth_block", depth_block, kDepthBlocks, "summands between two additions to memory");
  v.text("source", source, "built-in, or the processor that was measured");
}

const PlanTable& plan_table() { return table_in_force(); }

void set_plan_table(const PlanTable& table) {
  PlanTable checked;
  read(to_json(table), checked);  // the ranges of its fields
  table_in_force() = checked;
}

Plan plan(Index rows, Index cols, Index batch, int threads) {
  const PlanTable& table = plan_table();
  const Index small = std::min(rows, cols);
  const Index large = std::max(rows, cols);
  const bool wide = static_cast<double>(large) >= table.gram_aspect * static_cast<double>(small);
  // A product of up to 256 rows is too short to be shared; and as many matrices as threads need no
  // sharing at all.
  const bool many = batch >= threads && (small <= 256 || batch >= 4 * threads);
  return {.engine = table.engine,
          .formulation = wide ? Formulation::gram : Formulation::direct,
          .depth_block = static_cast<Index>(table.depth_block),
          .interleaved = batch > 1 && small <= kMaxBatchedRows && large <= kMaxBatchedCols,
          .matrices_in_parallel = threads > 1 && many};
}

PlanTable calibrate(const std::function<void(const std::string&)>& told) {
  constexpr int kTurns = 5;
  constexpr int kRounds = 3;
  Workspace<float> workspace;
  PlanTable best;
  best.source = cpu_features().model;
  const auto tell = [&](const char* what, double seconds) {
    if (!told) return;
    std::array<char, 96> line{};
    std::snprintf(line.data(), line.size(), "%-28s %8.3f ms", what, 1e3 * seconds);
    told(line.data());
  };
  const auto compare = [&](const Matrix<float>& input, const Polar& a, const PlanTable& table_a,
                           const Polar& b, const PlanTable& table_b, const char* name_a,
                           const char* name_b) {
    double first = std::numeric_limits<double>::infinity();
    double second = first;
    for (int round = 0; round < kRounds; ++round) {
      first = std::min(first, best_seconds(input, table_a, workspace, a, kTurns));
      second = std::min(second, best_seconds(input, table_b, workspace, b, kTurns));
    }
    tell(name_a, first);
    tell(name_b, second);
    return first <= second;
  };

  const Matrix<float> square = gaussian(512, 512);
  PlanTable library = best;
  library.engine = Engine::library;
  if (!compare(square, {}, best, {}, library, "512 x 512, panels", "512 x 512, library")) {
    best.engine = Engine::library;
  }
  const Matrix<float> deep = gaussian(256, 2048);
  for (const std::int64_t block : {256, 1024}) {
    PlanTable other = best;
    other.depth_block = block;
    if (!compare(deep, {}, best, {}, other, "256 x 2048, depth block kept",
                 block == 256 ? "256 x 2048, depth block 256" : "256 x 2048, depth block 1024")) {
      best.depth_block = block;
    }
  }
  // The smallest of a few aspects at which Gram matrices win.
  const Polar gram{.formulation = Formulation::gram};
  const Polar direct{.formulation = Formulation::direct};
  best.gram_aspect = 2;
  for (const Index cols : {Index{480}, Index{384}, Index{320}}) {
    const auto name = "320 x " + std::to_string(cols);
    if (!compare(gaussian(320, cols), gram, best, direct, best, (name + ", gram").c_str(),
                 (name + ", direct").c_str())) {
      break;
    }
    best.gram_aspect = static_cast<double>(cols) / 320;
  }
  return best;
}

}  // namespace muonflow::linalg
