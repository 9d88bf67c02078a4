// Brings a model's attention layers and an optimizer's QK-clip together
// (optim/transforms/qk_clip.hpp).
#pragma once

#include <span>

#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::train {

// From its next step on the optimizer clips these layers, by its own options. Throws ConfigError
// where there is none, or where the optimizer does not hold their tensors.
template <class T>
void clip_attention(optim::Optimizer<T>& optimizer, std::span<const model::AttentionHeads> layers);

// Of any head; -infinity where nothing was seen.
double largest_logit(std::span<const model::AttentionHeads> layers);

}  // namespace muonflow::train
