// The largest attention logits of a GPT, for whoever bounds them.
#include <algorithm>
#include <limits>

#include "muonflow/model/gpt.hpp"

namespace muonflow::model {

template <class T>
std::vector<AttentionHeads> Gpt<T>::watch_attention() {
  const auto heads = static_cast<std::size_t>(options_.n_head);
  if (max_logits_.empty()) {
    max_logits_.assign(layers_.size() * heads, -std::numeric_limits<double>::infinity());
    batch_ = time_ = 0;  // the last loss() has left no peaks
  }
  std::vector<AttentionHeads> all;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto name = "transformer.h." + std::to_string(layer) + ".attn.c_attn";
    AttentionHeads at{.tensors = {name + ".weight"},
                      .heads = options_.n_head,
                      .head_size = options_.n_embd / options_.n_head,
                      .max_logits = std::span(max_logits_).subspan(layer * heads, heads)};
    if (options_.bias) at.tensors.push_back(name + ".bias");
    all.push_back(std::move(at));
  }
  return all;
}

template <class T>
void Gpt<T>::raise_max_logits(Index batch) {
  const Index heads = options_.n_head;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const T* const peaks = kept_[layer].peaks.data();
    double* const largest = max_logits_.data() + static_cast<Index>(layer) * heads;
    for (Index i = 0; i < batch * heads; ++i) {
      largest[i % heads] = std::max(largest[i % heads], static_cast<double>(peaks[i]));
    }
  }
}

template std::vector<AttentionHeads> Gpt<float>::watch_attention();
template std::vector<AttentionHeads> Gpt<double>::watch_attention();
template void Gpt<float>::raise_max_logits(Index);
template void Gpt<double>::raise_max_logits(Index);

}  // namespace muonflow::model
