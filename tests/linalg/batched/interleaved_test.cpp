#include "muonflow/linalg/batched/interleaved.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"
#include "tests/linalg/batched/batches.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
std::vector<T> numbered(Index size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i + 1);
  return values;
}

template <class T>
void expect_round_trip(Index count, Index rows, Index cols) {
  const std::vector<T> values = numbered<T>(count * rows * cols);
  InterleavedBatch<T> batch(count, rows, cols);
  batch.load(values.data());
  for (Index k = 0; k < count; ++k) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        ASSERT_EQ(batch.at(k, i, j), values[static_cast<std::size_t>((k * rows + i) * cols + j)]);
      }
    }
  }
  // The layout itself, [block][short][long][16], and zeros in the lanes beyond the count.
  const Index n = batch.long_side();
  for (Index b = 0; b < batch.blocks(); ++b) {
    for (Index i = 0; i < batch.short_side(); ++i) {
      for (Index j = 0; j < n; ++j) {
        for (Index lane = 0; lane < kBlock; ++lane) {
          const T held = batch.block(b)[(i * n + j) * kBlock + lane];
          const Index k = b * kBlock + lane;
          const bool turned = batch.transposed();
          ASSERT_EQ(held, k < count ? batch.at(k, turned ? j : i, turned ? i : j) : T(0));
        }
      }
    }
  }
  std::vector<T> back(values.size());
  batch.store(back.data());
  EXPECT_EQ(back, values);
}

TEST(InterleavedBatch, KeepsEveryEntryInItsPlace) {
  reference::for_each_target([](std::int64_t target) {
    SCOPED_TRACE(hwy::TargetName(target));
    for (const Index count : {1, 15, 16, 17, 40}) {
      for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1},
                                       {1, 2},
                                       {2, 1},
                                       {3, 1},
                                       {2, 2},
                                       {3, 5},
                                       {5, 3},
                                       {4, 4},
                                       {3, 3},
                                       {16, 16},
                                       {32, 2},
                                       {64, 32}}) {
        expect_round_trip<float>(count, rows, cols);
        expect_round_trip<double>(count, rows, cols);
      }
    }
  });
}

// The bits of a NaN, signalling or not, its payload, and denormals: nothing is computed with them.
TEST(InterleavedBatch, CarriesEveryBit) {
  std::vector<float> values(16 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t bits = (i % 2 == 0 ? 0x7f800001U : 0x80000001U) + static_cast<unsigned>(i);
    std::memcpy(&values[i], &bits, sizeof bits);
  }
  std::vector<float> block(values.size());
  std::vector<float> back(values.size());
  interleave<float>(values.data(), 16, 1, 5, block.data());
  deinterleave<float>(block.data(), 16, 1, 5, back.data());
  EXPECT_EQ(std::memcmp(values.data(), back.data(), values.size() * sizeof(float)), 0);
}

TEST(InterleavedBatch, EmptyOnesAndWrongSizes) {
  InterleavedBatch<float> none(0, 4, 8);
  EXPECT_EQ(none.blocks(), 0);
  none.load(nullptr);
  none.store(nullptr);
  InterleavedBatch<double> flat(3, 0, 8);
  EXPECT_EQ(flat.block_size(), 0);
  EXPECT_THROW(InterleavedBatch<float>(-1, 2, 2), ShapeError);
}

TEST(BatchOutcome, KeepsTheFirstInTrouble) {
  BatchOutcome outcome;
  EXPECT_TRUE(outcome.ok());
  outcome.add({.status = Status::not_converged, .failed = 2, .first = 5});
  outcome.add({.status = Status::non_finite_input, .failed = 1, .first = 9});
  EXPECT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.status, Status::not_converged);
  EXPECT_EQ(outcome.failed, 3);
  EXPECT_EQ(outcome.first, 5);
}

}  // namespace
}  // namespace muonflow::linalg
