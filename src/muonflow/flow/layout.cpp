#include "muonflow/flow/layout.hpp"

#include <algorithm>

#include "muonflow/core/error.hpp"

namespace muonflow::flow {

Layout::Layout(Index particles, Index rows, Index cols)
    : Layout(particles, {Block{.name = "", .rows = rows, .cols = cols}}) {}

Layout::Layout(Index particles, std::vector<Block> blocks)
    : particles_(particles), total_(particles), blocks_(std::move(blocks)) {
  if (particles_ < 1) {
    throw ShapeError({.place = "particles",
                      .expected = "at least one particle",
                      .found = std::to_string(particles_)});
  }
  if (blocks_.empty()) throw ShapeError({.place = "particles", .expected = "at least one block"});
  for (auto& block : blocks_) {
    if (block.rows < 1 || block.cols < 1) {
      throw ShapeError(
          {.place = block.name.empty() ? "particles" : "particles, block " + block.name,
           .expected = "a matrix with rows and columns",
           .found = to_string(Shape{block.rows, block.cols})});
    }
    block.offset = width_;
    width_ += block.size();
  }
}

Layout Layout::shard(Index rank, Index size) const {
  const Index chunks = (total_ + kChunk - 1) / kChunk;
  const bool whole = chunks >= size;  // otherwise single particles are dealt
  const auto begin_of = [&](Index r) {
    return whole ? std::min(total_, chunks * r / size * kChunk) : total_ * r / size;
  };
  Layout part = *this;
  part.first_ = begin_of(rank);
  part.particles_ = begin_of(rank + 1) - part.first_;
  if (part.particles_ < 1) {
    throw ShapeError({.place = "particles",
                      .expected = "at least one particle a rank, for " + std::to_string(size),
                      .found = std::to_string(total_)});
  }
  return part;
}

std::string Layout::text() const {
  std::string text = std::to_string(total_) + " particles of ";
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (b) text += " + ";
    if (!blocks_[b].name.empty()) text += blocks_[b].name + " ";
    text += std::to_string(blocks_[b].rows) + "x" + std::to_string(blocks_[b].cols);
  }
  return text;
}

bool Layout::operator==(const Layout& other) const {
  if (particles_ != other.particles_ || first_ != other.first_ || total_ != other.total_ ||
      blocks_.size() != other.blocks_.size())
    return false;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const auto& mine = blocks_[b];
    const auto& theirs = other.blocks_[b];
    if (mine.name != theirs.name || mine.rows != theirs.rows || mine.cols != theirs.cols)
      return false;
  }
  return true;
}

}  // namespace muonflow::flow
