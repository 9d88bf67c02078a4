// Memory for activations: aligned to cache lines, grown on demand, never shrunk, so that a steady
// training step allocates nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

template <class T>
class Buffer {
 public:
  static constexpr std::size_t kAlignment = 64;  // bytes: one cache line, one AVX-512 vector

  Buffer() = default;
  explicit Buffer(Index count) { reserve(count); }

  // At least `count` elements. Growing forgets the content and zeroes the new memory; a buffer that
  // is already large enough is left as it is.
  void reserve(Index count) {
    if (count <= capacity_) return;
    data_.reset();
    capacity_ = 0;
    auto* memory =
        ::operator new (static_cast<std::size_t>(count) * sizeof(T), std::align_val_t{kAlignment});
    data_.reset(new (memory) T[static_cast<std::size_t>(count)]());
    capacity_ = count;
  }

  Index capacity() const { return capacity_; }
  std::size_t bytes() const { return static_cast<std::size_t>(capacity_) * sizeof(T); }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

  // The first rows * cols elements as a contiguous matrix [rows, cols].
  MatrixMap<T> matrix(Index rows, Index cols) {
    return {data_.get(), rows, cols, Eigen::OuterStride<>(cols)};
  }
  ConstMatrixMap<T> matrix(Index rows, Index cols) const {
    return {data_.get(), rows, cols, Eigen::OuterStride<>(cols)};
  }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete (memory, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<T[], Free> data_;
  Index capacity_ = 0;
};

}  // namespace muonflow::nn
