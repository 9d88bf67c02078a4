#include "muonflow/train/memory.hpp"

#include <gtest/gtest.h>

namespace muonflow::train {
namespace {

template <class T>
MemoryEstimate estimate(const std::string& preset, Index batch) {
  model::Gpt<T> gpt({.n_layer = 1, .n_head = 2, .n_embd = 16, .block_size = 8, .vocab_size = 32});
  optim::RoutingOptions routing;
  routing.preset = preset;
  const optim::Optimizer<T> optimizer(gpt.parameters(), routing, 1);
  return estimate_memory(gpt, optimizer, batch, 8);
}

TEST(Memory, CountsEveryPart) {
  // Tied table 32*16, positions 8*16, block 12*16^2 weights + 13*16 vectors, final norm 2*16.
  const std::size_t parameters = 32 * 16 + 8 * 16 + 12 * 16 * 16 + 13 * 16 + 2 * 16;
  const auto adamw = estimate<float>("adamw", 4);
  EXPECT_EQ(adamw.weights, 4 * parameters);
  EXPECT_EQ(adamw.gradients, 4 * parameters);
  EXPECT_GE(adamw.optimizer_state, 8 * parameters);
  EXPECT_EQ(adamw.total(),
            adamw.weights + adamw.gradients + adamw.optimizer_state + adamw.activations);
  // One buffer instead of two for the hidden matrices.
  EXPECT_LT(estimate<float>("muon+adamw", 4).optimizer_state, adamw.optimizer_state);
}

TEST(Memory, GrowsWithBatchAndType) {
  const auto small = estimate<float>("adamw", 2);
  EXPECT_GT(estimate<float>("adamw", 4).activations, small.activations);
  EXPECT_EQ(estimate<double>("adamw", 2).weights, 2 * small.weights);
}

TEST(Memory, BytesReadAsPeopleWriteThem) {
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1500), "1.5 kB");
  EXPECT_EQ(bytes_text(999'960), "1.0 MB");
  EXPECT_EQ(bytes_text(3'200'000'000), "3.2 GB");
  EXPECT_NE(estimate<float>("adamw", 2).to_text().find("total"), std::string::npos);
}

}  // namespace
}  // namespace muonflow::train
