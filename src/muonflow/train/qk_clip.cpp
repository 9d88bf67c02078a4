#include "muonflow/train/qk_clip.hpp"

#include <algorithm>
#include <limits>

#include "muonflow/core/error.hpp"

namespace muonflow::train {

template <class T>
void clip_attention(optim::Optimizer<T>& optimizer, std::span<const model::AttentionHeads> layers) {
  if (layers.empty()) {
    throw ConfigError({.place = "optimizer.qk_clip.threshold",
                       .expected = "a model with attention",
                       .found = "a model without",
                       .advice = "leave optimizer.qk_clip out"});
  }
  for (const auto& layer : layers) {
    optim::AttentionLayer clipped{.heads = layer.heads,
                                  .key_heads = layer.heads,
                                  .head_size = layer.head_size,
                                  .max_logits = layer.max_logits};
    for (const auto& tensor : layer.tensors) {
      clipped.query.push_back({tensor, 0});
      clipped.key.push_back({tensor, layer.heads * layer.head_size});
    }
    optimizer.clip_attention(optimizer.options().qk_clip, clipped);
  }
}
template void clip_attention<float>(optim::Optimizer<float>&,
                                    std::span<const model::AttentionHeads>);
template void clip_attention<double>(optim::Optimizer<double>&,
                                     std::span<const model::AttentionHeads>);

double largest_logit(std::span<const model::AttentionHeads> layers) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const auto& layer : layers) {
    for (const double logit : layer.max_logits) largest = std::max(largest, logit);
  }
  return largest;
}

}  // namespace muonflow::train
