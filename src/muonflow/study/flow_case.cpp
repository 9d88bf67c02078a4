#include "muonflow/study/flow_case.hpp"

#include <fmt/format.h>

#include <cmath>

#include "muonflow/core/config.hpp"

namespace muonflow::study {
namespace {

flow::FlowOptions options_from(const std::string& toml, const std::vector<std::string>& sets) {
  auto config = Config::from_text(toml, "study");
  for (const auto& set : sets) config.set(set);
  return flow::read_options(config.tree(), config.place_of());
}

class Keeper final : public flow::Observer<double> {
 public:
  Keeper(FlowOutcome& outcome, const Look& look) : outcome_(outcome), look_(look) {}
  void record(const FlowSystem& system, const FlowState& state,
              const flow::LedgerEntry& entry) override {
    outcome_.records.push_back(entry);
    if (look_) look_(system, state, entry);
  }

 private:
  FlowOutcome& outcome_;
  const Look& look_;
};

}  // namespace

FlowCase::FlowCase(const std::string& toml, const std::vector<std::string>& assignments)
    : options(options_from(toml, assignments)) {}

FlowOutcome run_flow(const FlowCase& flow_case, const Look& look) {
  FlowOutcome outcome;
  auto problem = flow::make_problem<double>(flow_case.options, flow_case.data);
  flow::Cursor cursor;
  if (const auto begun = flow::begin(problem.system, problem.state, cursor); !begun.ok()) {
    outcome.trouble = fmt::format("not begun: {}", to_string(begun.status));
    return outcome;
  }
  Keeper keeper(outcome, look);
  const auto result = flow::simulate<double>(flow_case.options.times(), problem.system,
                                             *problem.integrator, problem.state, cursor, keeper);
  outcome.ok = result.ended == flow::Ended::finished;
  if (!outcome.ok) {
    outcome.trouble = fmt::format(
        "{} with step {} failed at time {:.4g}: {}", flow_case.options.integrator.kind,
        flow_case.options.integrator.step, result.last.time, to_string(result.outcome.status));
  }
  outcome.state = std::move(problem.state);
  outcome.ledger = cursor.ledger;
  return outcome;
}

std::string small_problem(std::int64_t seed) {
  return fmt::format(R"([objective]
kind = "tanh_ridge"
features = 5
seed = {}
[geometry]
kind = "smoothed_nuclear"
epsilon = 0.05
[dynamics]
gamma = 1.0
[integrator]
kind = "rk4"
step = 0.001
end_time = 2.0
[particles]
count = 16
shape = [3, 4]
seed = {}
scale = 0.3
[record]
every = 0.1
)",
                     derived_seed(seed, 0), derived_seed(seed, 1));
}

std::uint64_t derived_seed(std::int64_t seed, std::uint64_t stream) {
  // 31 bits: a seed in a configuration file is a signed number that people read.
  return Rng(static_cast<std::uint64_t>(seed), stream).bits32() >> 1;
}

double particle_distance(const FlowState& a, const FlowState& b) {
  const double squares = (a.W - b.W).squaredNorm() + (a.M - b.M).squaredNorm();
  return std::sqrt(squares / static_cast<double>(a.W.rows()));
}

}  // namespace muonflow::study
