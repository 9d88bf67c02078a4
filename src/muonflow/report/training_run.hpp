// What a training run's folder says, as columns: one value a recorded step, one an evaluation.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/record/reader.hpp"

namespace muonflow::report {

// Where in a run something was recorded, in the three measures a run is compared by. `seconds` is
// time spent in steps: evaluation and saving are not counted.
struct Positions {
  std::vector<double> step, tokens, seconds;
};

struct RoutingRow {
  std::string tensor, shape, role, rule, reason;
  double lr{}, parameters{};
};

// The tensors of one rule with one learning rate.
struct RuleShare {
  std::string rule;
  double lr{}, parameters{};
  std::size_t tensors{};
};

struct TrainingRun {
  std::string name;   // of its folder
  std::string data;   // name or path of the text
  std::string state;  // why it is not whole, as words; empty for a finished run

  Positions at_step;
  std::vector<double> loss;             // of the training batch, nats a token
  std::vector<double> smoothed;         // its running mean
  std::vector<double> lr;               // of the rule with most parameters; the schedule's factor
                                        // where there is no routing; NaN where not recorded
  std::vector<double> optimizer_share;  // of a step's time, 0 to 1
  double smoothing = 1;                 // number of steps that the running mean looks back

  Positions at_validation;
  std::vector<double> validation;  // nats a token

  std::vector<RoutingRow> routing;   // which rule every tensor got
  std::vector<RuleShare> rules;      // the same by rule, most parameters first
  std::string sample;                // the text written at the end; empty: none
  std::vector<std::string> remarks;  // skipped steps and warnings, in their order

  std::string data_label() const;  // the name, or the last part of the path
  double final_loss() const;       // smoothed; NaN when there is none
  double final_validation() const;
  double best_validation() const;
  // Tokens a second and the optimizer's share of the time, over as many records around each as show
  // a trend: a twentieth of the run.
  std::vector<double> throughput_curve() const;
  std::vector<double> optimizer_share_curve() const;
  double mean_throughput() const;       // all tokens over all seconds
  double mean_optimizer_share() const;  // of all seconds
};

TrainingRun training_run(const record::RunReader& reader, const std::string& name);

// Sum of numerators over sum of denominators, over the last `window` records: a rate that a single
// long step cannot distort. NaN where there is nothing to divide by.
std::vector<double> windowed_ratio(const std::vector<double>& numerators,
                                   const std::vector<double>& denominators, std::size_t window);
// What a running total grew by at each record.
std::vector<double> increments(const std::vector<double>& totals);

// The running mean with weight 1/window for the newest value and no bias at the start; values that
// are not finite are passed over.
std::vector<double> running_mean(const std::vector<double>& values, double window);

}  // namespace muonflow::report
