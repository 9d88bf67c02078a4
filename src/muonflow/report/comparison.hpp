// Training runs beside each other: how much it took each to come equally far.
#pragma once

#include <optional>
#include <span>

#include "muonflow/report/training_run.hpp"

namespace muonflow::report {

// The lowest validation loss that every run with evaluations reached: the largest of their best
// ones. No value when no run was evaluated.
std::optional<double> common_validation_loss(std::span<const TrainingRun> runs);

struct Arrival {
  double step{}, tokens{}, seconds{};
};

// The first evaluation at or below the loss; nothing is interpolated between evaluations.
std::optional<Arrival> arrival(const TrainingRun& run, double validation_loss);

}  // namespace muonflow::report
