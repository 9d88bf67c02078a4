#include "muonflow/optim/shape_scale.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow::optim {

double shape_scale(Scale scale, Index rows, Index cols) {
  const auto m = static_cast<double>(rows);
  const auto n = static_cast<double>(cols);
  switch (scale) {
    case Scale::automatic:
      break;
    case Scale::none:
      return 1;
    case Scale::original:
      return std::sqrt(std::max(1.0, m / n));
    case Scale::match_rms_adamw:
      return 0.2 * std::sqrt(std::max(m, n));
    case Scale::spectral:
      return std::sqrt(m / n);
  }
  throw ConfigError({.place = "adjust_lr",
                     .expected = "none, original, match_rms_adamw or spectral",
                     .found = "default, which only a rule can fill in"});
}

}  // namespace muonflow::optim
