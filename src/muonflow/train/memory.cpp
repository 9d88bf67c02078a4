#include "muonflow/train/memory.hpp"

#include <fmt/format.h>

#include <array>

namespace muonflow::train {

std::string bytes_text(std::size_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string MemoryEstimate::to_text() const {
  return fmt::format("weights {}, gradients {}, optimizer state {}, activations {}, total {}",
                     bytes_text(weights), bytes_text(gradients), bytes_text(optimizer_state),
                     bytes_text(activations), bytes_text(total()));
}

template <class T>
MemoryEstimate estimate_memory(const model::Gpt<T>& model, const optim::Optimizer<T>& optimizer,
                               Index batch, Index time) {
  const auto parameters = static_cast<std::size_t>(model.parameter_count()) * sizeof(T);
  return {.weights = parameters,
          .gradients = parameters,
          .optimizer_state = optimizer.state_bytes(),
          .activations = model.activation_bytes(batch, time)};
}

template MemoryEstimate estimate_memory(const model::Gpt<float>&, const optim::Optimizer<float>&,
                                        Index, Index);
template MemoryEstimate estimate_memory(const model::Gpt<double>&, const optim::Optimizer<double>&,
                                        Index, Index);

}  // namespace muonflow::train
