#include "muonflow/report/comparison.hpp"

#include <algorithm>
#include <cmath>

namespace muonflow::report {

std::optional<double> common_validation_loss(std::span<const TrainingRun> runs) {
  std::optional<double> common;
  for (const auto& run : runs) {
    const double best = run.best_validation();
    if (std::isfinite(best)) common = std::max(common.value_or(best), best);
  }
  return common;
}

std::optional<Arrival> arrival(const TrainingRun& run, double validation_loss) {
  for (std::size_t i = 0; i < run.validation.size(); ++i) {
    if (run.validation[i] <= validation_loss) {
      const auto& at = run.at_validation;
      return Arrival{at.step[i], at.tokens[i], at.seconds[i]};
    }
  }
  return std::nullopt;
}

}  // namespace muonflow::report
