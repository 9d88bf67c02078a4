// Scratch memory for kernels: a stack of matrices that grows once and is then reused for ever.
//
// A kernel opens a Frame, takes what it needs from it, and everything is given back when the frame
// closes. A kernel called with the same workspace opens its own frame above the caller's, so it can
// never overwrite what the caller still uses. Frames must close in the reverse order of their
// opening (they are scoped objects). Not for several threads at once: one workspace a thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

// The stack itself, of bytes; kernels that serve both scalar types take it.
class Scratch {
 public:
  Scratch() = default;
  Scratch(Scratch&&) noexcept = default;
  Scratch& operator=(Scratch&&) noexcept = default;

  class Frame {
   public:
    explicit Frame(Scratch& scratch)
        : scratch_(scratch), block_(scratch.block_), used_(scratch.used_) {}
    ~Frame() { scratch_.release(block_, used_); }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    // [rows, cols], contiguous, uninitialized, aligned to 64 bytes.
    template <class U>
    MatrixMap<U> matrix(Index rows, Index cols) {
      return MatrixMap<U>(pointer<U>(rows * cols), rows, cols, Eigen::OuterStride<>(cols));
    }
    template <class U>
    std::span<U> values(Index count) {
      return {pointer<U>(count), static_cast<std::size_t>(count)};
    }

   private:
    template <class U>
    U* pointer(Index count) {
      return reinterpret_cast<U*>(scratch_.take(static_cast<std::size_t>(count) * sizeof(U)));
    }

    Scratch& scratch_;
    std::size_t block_;
    std::size_t used_;
  };

  // Bytes held, for memory estimates.
  std::size_t capacity() const {
    std::size_t sum = 0;
    for (const auto& block : blocks_) sum += block.size;
    return sum;
  }

 private:
  static constexpr std::size_t kAlign = 64;

  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{kAlign}); }
  };
  struct Block {
    explicit Block(std::size_t bytes)
        : data(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kAlign}))),
          size(bytes) {}
    std::unique_ptr<std::byte[], Free> data;
    std::size_t size;
  };

  std::byte* take(std::size_t bytes) {
    bytes = (bytes + kAlign - 1) / kAlign * kAlign;
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      // Blocks already handed out must not move, so the stack grows by a new block.
      blocks_.emplace_back(std::max({bytes, capacity(), std::size_t{1} << 12}));
      used_ = 0;
    }
    std::byte* const at = blocks_[block_].data.get() + used_;
    used_ += bytes;
    return at;
  }

  void release(std::size_t block, std::size_t used) {
    block_ = block;
    used_ = used;
    if (block_ == 0 && used_ == 0 && blocks_.size() > 1) {
      // Empty again: one block of the whole size serves the next call without a gap.
      const std::size_t total = capacity();
      blocks_.clear();
      blocks_.emplace_back(total);
    }
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0;  // block in use
  std::size_t used_ = 0;   // bytes used in it
};

// The same with a scalar type, so that `frame.matrix(rows, cols)` is one of T. A float kernel that
// must compute in double asks for `frame.template matrix<double>(rows, cols)`.
template <class T>
class Workspace : public Scratch {
 public:
  class Frame : public Scratch::Frame {
   public:
    explicit Frame(Workspace& workspace) : Scratch::Frame(workspace) {}
    template <class U = T>
    MatrixMap<U> matrix(Index rows, Index cols) {
      return Scratch::Frame::matrix<U>(rows, cols);
    }
    template <class U = T>
    std::span<U> values(Index count) {
      return Scratch::Frame::values<U>(count);
    }
  };
};

}  // namespace muonflow::linalg
