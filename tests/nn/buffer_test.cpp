#include "muonflow/nn/buffer.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace muonflow::nn {
namespace {

TEST(Buffer, StartsEmptyThenHoldsZeros) {
  Buffer<float> buffer;
  EXPECT_EQ(buffer.capacity(), 0);
  buffer.reserve(33);
  for (Index i = 0; i < 33; ++i) EXPECT_EQ(buffer.data()[i], 0.0f);
  EXPECT_EQ(buffer.bytes(), 33 * sizeof(float));
}

TEST(Buffer, IsAlignedToCacheLines) {
  for (const Index count : {1, 3, 1000}) {
    const Buffer<double> buffer(count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % Buffer<double>::kAlignment, 0u);
  }
}

TEST(Buffer, KeepsItsMemoryWhenLargeEnough) {
  Buffer<double> buffer(100);
  buffer.data()[7] = 3;
  const double* const before = buffer.data();
  buffer.reserve(50);
  EXPECT_EQ(buffer.data(), before);
  EXPECT_EQ(buffer.data()[7], 3);
  buffer.reserve(200);
  EXPECT_EQ(buffer.capacity(), 200);
}

TEST(Buffer, MatrixViewsItsFront) {
  Buffer<double> buffer(12);
  buffer.matrix(3, 4)(1, 2) = 5;
  EXPECT_EQ(buffer.data()[6], 5);
}

}  // namespace
}  // namespace muonflow::nn
