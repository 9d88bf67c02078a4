// The loop that every batched kernel runs in: blocks over threads, scratch of the thread, and what
// became of each matrix gathered into one outcome.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/batched/interleaved.hpp"

namespace muonflow::linalg::detail {

constexpr std::uint32_t kWholeBlock = (1U << kBlock) - 1;  // a bit for each of its matrices

// Bit k: matrix k of the block.
struct BlockTrouble {
  std::uint32_t non_finite = 0;
  std::uint32_t overflowed = 0;
  std::uint32_t not_converged = 0;

  std::uint32_t any() const { return non_finite | overflowed | not_converged; }
  Status status(int lane) const {
    if ((non_finite >> lane & 1U) != 0) return Status::non_finite_input;
    return (overflowed >> lane & 1U) != 0 ? Status::non_finite_result : Status::not_converged;
  }
};

// Memory of the calling thread, aligned to 64 bytes, valid until its next call; grows and stays.
// `Use` tells apart those that are alive together.
template <class Use>
std::byte* thread_scratch(std::size_t bytes) {
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  static thread_local std::unique_ptr<std::byte[], Free> memory;
  static thread_local std::size_t size = 0;
  if (size < bytes) {
    memory.reset();
    size = 0;
    memory.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
    size = bytes;
  }
  return memory.get();
}

inline void check_shape(Index count, Index rows, Index cols) {
  if (count < 0 || rows < 0 || cols < 0 || std::min(rows, cols) > kMaxBatchedRows ||
      std::max(rows, cols) > kMaxBatchedCols) {
    throw ShapeError({.what = "shape of a batch of tiny matrices",
                      .expected = "matrices of at most " + std::to_string(kMaxBatchedRows) + " x " +
                                  std::to_string(kMaxBatchedCols),
                      .found = to_string(Shape{count, rows, cols}),
                      .advice = "larger ones one by one, one a thread"});
  }
}

// Where blocks come from: an interleaved batch, or matrices one after another that are converted a
// block at a time, in cache.
template <class T>
struct BlockSource {
  InterleavedBatch<T>* batch = nullptr;
  T* matrices = nullptr;
  Index count, rows, cols;

  explicit BlockSource(InterleavedBatch<T>& b)
      : batch(&b), count(b.count()), rows(b.rows()), cols(b.cols()) {
    check_shape(count, rows, cols);
  }
  BlockSource(T* x, Index n, Index r, Index c) : matrices(x), count(n), rows(r), cols(c) {
    check_shape(count, rows, cols);
  }
  Index short_side() const { return std::min(rows, cols); }
  Index long_side() const { return std::max(rows, cols); }
};

// trouble = kernel(block [short][long][16], first matrix, lanes) for every block; same bits for any
// number of threads, since blocks are independent.
template <class T, class Kernel>
BatchOutcome over_blocks(const BlockSource<T>& source, Kernel&& kernel) {
  BatchOutcome outcome;
  const Index size = source.rows * source.cols;
  if (source.count == 0 || size == 0) return outcome;
  std::mutex joining;
  // About 20 microseconds of work a thread at least.
  const Index cost = source.short_side() * size;
  const Index grain = std::max<Index>(1, 8192 / cost);
  parallel_for((source.count + kBlock - 1) / kBlock, grain, [&](Index begin, Index end) {
    BatchOutcome mine;
    for (Index b = begin; b < end; ++b) {
      const Index first = b * kBlock;
      const Index lanes = std::min(kBlock, source.count - first);
      T* block = nullptr;
      if (source.batch != nullptr) {
        block = source.batch->block(b);
      } else {
        struct Converted;
        block = reinterpret_cast<T*>(
            thread_scratch<Converted>(static_cast<std::size_t>(size * kBlock) * sizeof(T)));
        interleave<T>(source.matrices + first * size, lanes, source.rows, source.cols, block);
      }
      const BlockTrouble trouble = kernel(block, first, lanes);
      if (source.batch == nullptr) {
        deinterleave<T>(block, lanes, source.rows, source.cols, source.matrices + first * size);
      }
      if (trouble.any() == 0) continue;
      const int at = std::countr_zero(trouble.any());
      mine.add({.status = trouble.status(at),
                .failed = std::popcount(trouble.any()),
                .first = first + at});
    }
    if (mine.failed == 0) return;
    const std::scoped_lock lock(joining);
    if (outcome.failed > 0 && mine.first > outcome.first) {
      outcome.add(mine);
    } else {
      mine.add(outcome);
      outcome = mine;
    }
  });
  return outcome;
}

}  // namespace muonflow::linalg::detail
