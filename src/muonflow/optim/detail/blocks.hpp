// A matrix cut into blocks of at most size x size for a rule that keeps a square statistic for each
// side of each block, and where those statistics lie in the tensors of its state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "muonflow/core/matrix.hpp"

namespace muonflow::optim::detail {

// The [rows, rows] statistics of the blocks' left sides stand in one tensor [left_rows, left_cols],
// those of their right sides in another: block column by block column, and block row by block row.
// Uncut these are [m, m] and [n, n].
struct Blocks {
  Index m, n;           // of the whole matrix
  Index height, width;  // of a block that is not at the end
  Index down, across;   // how many

  Blocks(Index rows, Index cols, const std::optional<std::int64_t>& size)
      : m(rows),
        n(cols),
        height(size ? std::min<Index>(*size, rows) : rows),
        width(size ? std::min<Index>(*size, cols) : cols),
        down((rows + height - 1) / height),
        across((cols + width - 1) / width) {}

  Index left_rows() const { return across * m; }
  Index left_cols() const { return height; }
  Index right_rows() const { return down * n; }
  Index right_cols() const { return width; }
};

struct Block {
  Index row, col, rows, cols;  // in the matrix
  Index left_row, right_row;   // where its statistics begin
};

// body(block), row by row.
template <class Body>
void for_each_block(const Blocks& blocks, Body&& body) {
  for (Index i = 0; i < blocks.down; ++i) {
    for (Index j = 0; j < blocks.across; ++j) {
      const Index row = i * blocks.height, col = j * blocks.width;
      body(Block{row, col, std::min(blocks.height, blocks.m - row),
                 std::min(blocks.width, blocks.n - col), j * blocks.m + row, i * blocks.n + col});
    }
  }
}

}  // namespace muonflow::optim::detail
