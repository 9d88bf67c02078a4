// What a training run needs in memory, before it runs.
#pragma once

#include <cstddef>
#include <string>

#include "muonflow/core/matrix.hpp"
#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::train {

struct MemoryEstimate {
  std::size_t weights = 0;
  std::size_t gradients = 0;
  std::size_t optimizer_state = 0;
  std::size_t activations = 0;  // of one micro-batch, with their gradients

  std::size_t total() const { return weights + gradients + optimizer_state + activations; }
  // "weights 3.2 MB, gradients 3.2 MB, optimizer state 4.1 MB, activations 60.0 MB, total 70.5 MB"
  std::string to_text() const;
};

template <class T>
MemoryEstimate estimate_memory(const model::Gpt<T>& model, const optim::Optimizer<T>& optimizer,
                               Index batch, Index time);

// "1.5 GB"; powers of 1000.
std::string bytes_text(std::size_t bytes);

}  // namespace muonflow::train
