#include "tests/optim/toy_rules.hpp"

#include "muonflow/optim/enrolled.hpp"

namespace muonflow::optim::toys {

const Enrolled<ToyDelta> enrolled_toy_delta;
const Enrolled<ToyWeights> enrolled_toy_weights;
const Enrolled<ToySketch> enrolled_toy_sketch;
const Enrolled<ToyFailing> enrolled_toy_failing;

}  // namespace muonflow::optim::toys
