// A rule with the transforms of its group around it, as twins.
#pragma once

#include <optional>

#include "muonflow/optim/audit/claim.hpp"
#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {

// A matrix of a tensor: where it begins and its shape. The audit's own reading of layouts.
struct Cutout {
  Index begin, rows, cols;
};
std::vector<Cutout> cutouts(const Route& route);
// The shape scale of adjust_lr, the audit's own.
double scale_of(Scale scale, Index rows, Index cols);
// The side of the base model's matrix that stands for this one, `over` times as long.
Index base_side(Index here, double over);
// What decay leaves of a weight.
double kept_of(Decay form, double lr, double schedule, double weight_decay);
bool decays_before(Decay form);

// The part of the state of a tensor of this shape that belongs to matrix k of `all`.
RealFields state_of_matrix(const TensorMap& state, const Shape& shape,
                           const std::vector<Cutout>& all, std::size_t k);

struct Composed {
  Expected expected;
  // The gradient that the rule itself saw and its own scene, for naming faults.
  Scene scene;
};
// `scene` holds the gradient that the transforms are given. Adds checks of what transforms keep.
Composed compose(const ResolvedRule& resolved, Scene scene);

}  // namespace muonflow::optim::detail
