// A flow inside a study: a configuration as `muonflow flow` would read it, run to its end in
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/flow/problem.hpp"
#include "muonflow/flow/simulate.hpp"

namespace muonflow::study {

using FlowSystem = flow::System<double>;
using FlowState = flow::State<double>;

// Called at every recorded time.
using Look = std::function<void(const FlowSystem&, const FlowState&, const flow::LedgerEntry&)>;

struct FlowCase {
  flow::FlowOptions options;
  flow::ProblemData data;  // an initial state, where it is not drawn

  // From the tables of a configuration file, with "a.b=value" assignments over them. Throws
  // ConfigError.
  explicit FlowCase(const std::string& toml, const std::vector<std::string>& assignments = {});
};

struct FlowOutcome {
  bool ok = false;
  std::string trouble;  // why it is not ok
  FlowState state;
  flow::Ledger ledger;
  std::vector<flow::LedgerEntry> records;
};

// Inside a parallel loop it runs on one thread, else on all. Throws ConfigError, ShapeError for a
// case that makes no sense.
FlowOutcome run_flow(const FlowCase& flow_case, const Look& look = {});

// The problem on which the flow's identities are checked: q = 5 tanh features of 3x4 matrices, 16
// particles, epsilon 0.05, gamma 1, to time 2 with rk4 and h = 0.001. The seed draws features,
// targets and particles.
std::string small_problem(std::int64_t seed);

// Independent seeds for the parts of a study: stream k of its seed.
std::uint64_t derived_seed(std::int64_t seed, std::uint64_t stream);

// Root of the mean over particles of the squared Frobenius distance of (W, M).
double particle_distance(const FlowState& a, const FlowState& b);

}  // namespace muonflow::study
