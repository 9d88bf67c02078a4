// A text and a model small enough that a training step takes microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "muonflow/core/rng.hpp"
#include "muonflow/data/batches.hpp"
#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/optimizer.hpp"
#include "muonflow/train/trainer.hpp"

namespace muonflow::train {

inline constexpr Index kBlock = 8;
inline constexpr std::uint64_t kSeed = 5;

// Words of a few letters, so that there is something to learn.
inline std::string small_text(std::size_t size) {
  Rng rng(11);
  std::string text;
  while (text.size() < size) {
    static constexpr const char* kWords[] = {"the ", "cat ", "sat ", "on a ", "mat. ", "and "};
    text += kWords[rng.below(6)];
  }
  text.resize(size);
  return text;
}

inline std::vector<std::uint8_t> small_bytes(std::size_t size) {
  const auto text = small_text(size);
  return {text.begin(), text.end()};
}

inline model::GptOptions small_gpt() {
  return {.n_layer = 1, .n_head = 2, .n_embd = 8, .block_size = kBlock, .vocab_size = 128};
}

inline optim::RoutingOptions small_routing(const std::string& preset = "muon+adamw") {
  optim::RoutingOptions routing;
  routing.preset = preset;
  routing.hidden.lr = 0.02;
  routing.other.lr = 0.003;
  routing.clip.max_norm = 1.0;
  return routing;
}

// Everything a trainer borrows, and the trainer.
template <class T>
struct Small {
  std::vector<std::uint8_t> text = small_bytes(2000);
  model::Gpt<T> gpt;
  optim::Optimizer<T> optimizer;
  data::TokenBatches batches;
  Trainer<T> trainer;

  explicit Small(const TrainOptions& options,
                 const optim::RoutingOptions& routing = small_routing(),
                 const optim::Schedule& schedule = {},
                 const std::vector<Parameter<T>>& further = {})
      : gpt(small_gpt()),
        optimizer(parameters(further), routing, kSeed),
        batches(text, options.batch_size, kBlock, kSeed),
        trainer(gpt, optimizer, batches,
                data::FixedBatches(text, options.batch_size, kBlock, options.eval_batches), options,
                schedule) {
    gpt.initialize(kSeed);
  }

 private:
  std::vector<Parameter<T>> parameters(const std::vector<Parameter<T>>& further) {
    auto all = gpt.parameters();
    all.insert(all.end(), further.begin(), further.end());
    return all;
  }
};

// Bit equality of everything that training goes on from.
inline bool same(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    if (x->first != y->first || x->second.shape != y->second.shape ||
        x->second.bytes != y->second.bytes) {
      return false;
    }
  }
  return true;
}

}  // namespace muonflow::train
