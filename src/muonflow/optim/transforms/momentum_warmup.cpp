#include "muonflow/optim/transforms/momentum_warmup.hpp"

namespace muonflow::optim {

void MomentumWarmup::fields(FieldVisitor& v) {
  v.real("start", start, kUnitBelowOne, "momentum of the first step");
  v.integer("steps", steps, kNonNegative, "steps until the rule's own momentum; 0: off");
}

double MomentumWarmup::momentum(std::int64_t step, double target) const {
  if (step >= steps) return target;
  return start + (target - start) * static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace muonflow::optim
