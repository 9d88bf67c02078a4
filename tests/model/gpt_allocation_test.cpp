// A steady training step allocates nothing: counted by replacing this program's operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "muonflow/model/gpt.hpp"
#include "tests/nn/gradient_check.hpp"

namespace {

std::atomic<long> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded)) {
    return memory;
  }
  throw std::bad_alloc();
}

}  // namespace

// Never inlined: where the compiler sees the inside of one of a pair alone, it warns that they do
// not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace muonflow::model {
namespace {

TEST(GptAllocation, ASteadyStepAllocatesNothing) {
  const Index batch = 4;
  const Index time = 70;
  Gpt<float> model({.n_layer = 2, .n_head = 2, .n_embd = 32, .block_size = time, .vocab_size = 50});
  model.initialize(1);
  const auto tokens = test::random_tokens(batch * time, 50, 1);
  const auto targets = test::random_tokens(batch * time, 50, 2);
  const auto step = [&](Index rows) {
    model.zero_gradients();
    const auto count = static_cast<std::size_t>(rows * time);
    model.loss(std::span(tokens).first(count), std::span(targets).first(count), rows, time);
    model.backward();
  };
  set_threads(1);  // with more, a thread may meet its first head of attention in any later step
  const long before = allocations;
  step(batch);
  EXPECT_GT(allocations, before);  // the first step makes the buffers
  const long steady = allocations;
  step(batch);
  step(batch - 1);
  EXPECT_EQ(allocations, steady);
  model.watch_attention();
  step(batch);  // makes room for the largest logits
  const long watched = allocations;
  step(batch);
  step(batch - 1);
  EXPECT_EQ(allocations, watched);
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::model
