// muonflow bench steps: milliseconds and state bytes of a step of each rule on the parameters of a
// GPT and of a small ViT, beside PyTorch's optimizers, and AdamW beside what the memory allows.
#pragma once

#include <string>
#include <vector>

#include "muonflow/cli/bench/output.hpp"
#include "muonflow/cli/bench/step_shapes.hpp"
#include "muonflow/cli/bench/timing.hpp"

namespace muonflow::cli {

struct BenchSteps {
  std::vector<std::string> rules;  // names or rule.preset
  std::vector<StepModel> models;
  bool peers = true;  // PyTorch as installed, and best configured where that is something else
  Turns turns{.rounds = 7, .budget = 6};
  double seconds = 0.1;  // a turn repeats short steps for at least this long
  BenchOutput output;
};

// "all" or names joined by commas, in that order, each once. Throws ConfigError.
std::vector<std::string> step_rules_named(const std::string& text);

// Prints a table a model; returns the exit code.
int bench_steps(const BenchSteps& bench);

}  // namespace muonflow::cli
