#include "muonflow/optim/transforms/weight_decay.hpp"

#include "muonflow/core/error.hpp"

namespace muonflow::optim {

void WeightDecay::fields(FieldVisitor& v) {
  v.real("weight_decay", weight_decay, kNonNegative, "0, or the preset's, where none is given");
  v.choice("decay", decay, "decoupled: before, after, independent, corrected; L2: coupled");
}

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
