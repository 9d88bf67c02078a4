// Matrices cut into panels: the storage in which the symmetric kernels keep their operands.
//
// A panel holds kWidth rows of a matrix [rows, depth], depth-major: entry (i, k) of panel p lies at
// k width + i - p kWidth. So stored, a matrix serves as the left and as the right factor of a
// product over the depth without being packed again, and a symmetric result is stored as tiles and
// their mirror images. Rows are padded with zeros to whole vectors of 64 bytes.
#pragma once

#include <algorithm>
#include <cstddef>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg::detail {

template <class T>
struct Panels {
  static constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
  static constexpr Index kWidth = 3 * kLanes;  // what the registers of AVX-512 hold best

  T* data = nullptr;
  Index rows = 0;
  Index depth = 0;

  static constexpr Index padded(Index rows) { return (rows + kLanes - 1) / kLanes * kLanes; }
  static constexpr Index size(Index rows, Index depth) { return padded(rows) * depth; }

  Index count() const { return (rows + kWidth - 1) / kWidth; }
  Index width(Index p) const { return std::min(kWidth, padded(rows) - p * kWidth); }
  Index rows_of(Index p) const { return std::min(kWidth, rows - p * kWidth); }
  T* panel(Index p) const { return data + p * kWidth * depth; }
};

// Uninitialized panels from a frame of scratch memory.
template <class T>
Panels<T> take_panels(Scratch::Frame& frame, Index rows, Index depth) {
  return {frame.values<T>(Panels<T>::size(rows, depth)).data(), rows, depth};
}

}  // namespace muonflow::linalg::detail
