// How a particle's matrices lie in memory: one row of numbers a particle, block after block.
//
// A particle is a tuple of matrices W^l in R^{m_l x n_l} (arXiv 2605.23871; most objectives have
// one block). All particles together are one matrix [N, d], d = sum of m_l n_l, so that integrators
// are elementwise algebra that never asks for blocks, and only the kinetic energy and the objective
// do. Several processes may share the particles: each then has the layout of its part.
#pragma once

#include <string>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow::flow {

// Particles of one objective call: enough for a matrix product, few enough for all threads. Part of
// the numbers (the order of sums), so it does not depend on the machine.
inline constexpr Index kChunk = 64;

struct Block {
  std::string name;  // empty for the only block
  Index rows = 0;    // m
  Index cols = 0;    // n
  Index offset = 0;  // where it starts in a particle's row

  Index size() const { return rows * cols; }
};

class Layout {
 public:
  Layout() = default;
  // One block without a name. Throws ShapeError unless all three are positive.
  Layout(Index particles, Index rows, Index cols);
  // Any blocks; their offsets are set here.
  Layout(Index particles, std::vector<Block> blocks);

  // The part of these particles that rank `rank` of `size` holds: contiguous, whole
  // chunks as far as possible, of nearly equal numbers. Throws ShapeError where a rank would hold
  // none.
  Layout shard(Index rank, Index size) const;

  Index particles() const { return particles_; }  // N, or how many of them are here
  Index first() const { return first_; }          // the first one here
  Index total() const { return total_; }          // N
  Index width() const { return width_; }          // d
  const std::vector<Block>& blocks() const { return blocks_; }

  // "512 particles of 8x8"
  std::string text() const;
  bool operator==(const Layout& other) const;

 private:
  Index particles_ = 0;
  Index first_ = 0;
  Index total_ = 0;
  Index width_ = 0;
  std::vector<Block> blocks_;
};

// The matrix [m, n] of a block inside a particle's row.
template <class T>
MatrixMap<T> block_of(T* row, const Block& block) {
  return {row + block.offset, block.rows, block.cols, Eigen::OuterStride<>(block.cols)};
}
template <class T>
ConstMatrixMap<T> block_of(const T* row, const Block& block) {
  return {row + block.offset, block.rows, block.cols, Eigen::OuterStride<>(block.cols)};
}

}  // namespace muonflow::flow
