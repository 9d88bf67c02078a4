// Many small matrices of one shape, 16 of them side by side: entry (i, j) of 16 matrices stands in
// 16 consecutive elements, so that a vector instruction does the same step of 16 computations.
//
// Storage [blocks][rows][cols][16], rows <= cols: matrices of a tall shape are held transposed.
// The block is 16 for float and double on every machine, so the layout may be kept in files and
// sent between processes. Lanes of the last block beyond the count are zero, and kernels keep them
// so (they map zero to zero).
#pragma once

#include <algorithm>
#include <memory>
#include <new>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"

namespace muonflow::linalg {

// Matrices of one block.
inline constexpr Index kBlock = 16;
// What the batched kernels take: min(rows, cols) and max(rows, cols) at most.
inline constexpr Index kMaxBatchedRows = 32;
inline constexpr Index kMaxBatchedCols = 64;

// What became of a batch: the matrices in trouble are left as they were, the others are done.
struct [[nodiscard]] BatchOutcome {
  Status status = Status::ok;  // of the first matrix in trouble
  Index failed = 0;            // how many are
  Index first = -1;            // the first of them

  bool ok() const { return failed == 0; }
  // Joined with what became of later matrices.
  void add(const BatchOutcome& later) {
    if (failed == 0) {
      status = later.status;
      first = later.first;
    }
    failed += later.failed;
  }
};

template <class T>
class InterleavedBatch {
 public:
  InterleavedBatch() = default;
  // `count` zero matrices of [rows, cols]. Throws ShapeError for a negative size.
  InterleavedBatch(Index count, Index rows, Index cols);

  // The shape asked for, and the one held: [short_side, long_side].
  Index count() const { return count_; }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  bool transposed() const { return rows_ > cols_; }
  Index short_side() const { return std::min(rows_, cols_); }
  Index long_side() const { return std::max(rows_, cols_); }

  Index blocks() const { return (count_ + kBlock - 1) / kBlock; }
  // Elements of a block: short_side * long_side * 16.
  Index block_size() const { return rows_ * cols_ * kBlock; }
  // Matrices of a block that exist: 16 but for the last.
  Index lanes(Index block) const { return std::min(kBlock, count_ - block * kBlock); }

  // [short_side][long_side][16], aligned to 64 bytes.
  T* block(Index b) { return data_.get() + b * block_size(); }
  const T* block(Index b) const { return data_.get() + b * block_size(); }

  // Entry of matrix k as the caller knows it, 0 <= i < rows, 0 <= j < cols.
  T& at(Index k, Index i, Index j) { return data_.get()[offset(k, i, j)]; }
  const T& at(Index k, Index i, Index j) const { return data_.get()[offset(k, i, j)]; }

  // From and to [count, rows, cols], over threads.
  void load(const T* matrices);
  void store(T* matrices) const;

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{64}); }
  };

  Index offset(Index k, Index i, Index j) const {
    if (transposed()) std::swap(i, j);
    return (k / kBlock) * block_size() + (i * long_side() + j) * kBlock + k % kBlock;
  }

  Index count_ = 0;
  Index rows_ = 0;
  Index cols_ = 0;
  std::unique_ptr<T[], Free> data_;
};

// One block from `lanes` <= 16 matrices [rows, cols] that follow one another, other lanes zero; and
// back.
template <class T>
void interleave(const T* matrices, Index lanes, Index rows, Index cols, T* block);
template <class T>
void deinterleave(const T* block, Index lanes, Index rows, Index cols, T* matrices);

}  // namespace muonflow::linalg
