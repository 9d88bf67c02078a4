// Loss, logits and gradients of a GPT as a pure function of tensors.
#pragma once

#include "muonflow/model/models.hpp"

namespace muonflow::model {

// See ModelEntry::gradients. The batch holds tokens and targets [B, T], int32 or int64; options
// that are absent are read from the weights (infer_gpt_options).
TensorMap gpt_gradients(const Json& options, const TensorMap& weights, const TensorMap& batch,
                        const GradientPlaces& places = {});

}  // namespace muonflow::model
