#include "muonflow/optim/transforms/weight_decay.hpp"

#include "muonflow/core/error.hpp"

namespace muonflow::optim {

double kept_weight(Decay form, double lr, double schedule, double weight_decay) {
  switch (form) {
    case Decay::automatic:
      break;
    case Decay::before:
    case Decay::after:
      return 1 - lr * weight_decay;
    case Decay::coupled:
      return 1;
    case Decay::independent:
      return 1 - schedule * weight_decay;
    case Decay::corrected:
      return 1 - lr * schedule * weight_decay;
  }
  throw ConfigError({.place = "decay",
                     .expected = "before, after, coupled, independent or corrected",
                     .found = "default, which only a rule can fill in"});
}

}  // namespace muonflow::optim
