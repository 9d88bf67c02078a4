#include "muonflow/optim/audit/options.hpp"

namespace muonflow::optim {

void AuditOptions::fields(FieldVisitor& v) {
  v.optional_integer("every", every, {.lo = 1},
                     "steps between audits, the first two steps besides; off: none");
  v.choice("on_failure", on_failure,
           "whether a step that is not what its rule claims ends the run");
  v.integer("tensors", tensors, {.lo = 1}, "tensors sampled for each audit");
  v.integer("matrices", matrices, {.lo = 1}, "matrices sampled of each stack or fused tensor");
  v.integer("seed", seed, kNonNegative, "of the samples");
  v.optional_real("max_share", max_share, {.lo = 0, .hi = 1, .lo_open = true},
                  "of the run's time: audits beyond it wait; off: none waits");
  v.real("free_seconds", free_seconds, kNonNegative, "of audits, whatever their share");
}

}  // namespace muonflow::optim
