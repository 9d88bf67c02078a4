// The input of a benchmark: one matrix, a batch of equal ones or a list of different ones, one
// after the other in one piece of memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "muonflow/core/matrix.hpp"

namespace muonflow::cli {

struct MatrixShape {
  Index rows = 0;
  Index cols = 0;
};

class Matrices {
 public:
  explicit Matrices(std::vector<MatrixShape> shapes);

  Index count() const { return static_cast<Index>(shapes_.size()); }
  const MatrixShape& shape(Index i) const { return shapes_[static_cast<std::size_t>(i)]; }
  MatrixMap<float> at(Index i);
  ConstMatrixMap<float> at(Index i) const;
  std::vector<float>& values() { return values_; }
  const std::vector<float>& values() const { return values_; }
  // Largest first.
  const std::vector<Index>& by_size() const { return by_size_; }
  bool equal_shapes() const;
  // For a peer: "1x768x3072", or runs of equal ones, "6x384x384,1x384x1536".
  std::string runs() const;

 private:
  std::vector<MatrixShape> shapes_;
  std::vector<Index> offsets_;
  std::vector<Index> by_size_;
  std::vector<float> values_;
};

// Standard normal entries.
void fill_gaussian(Matrices& matrices, std::uint64_t seed);
// One matrix with singular values from 1 down to 1 / condition, evenly in the logarithm, and random
// orthonormal factors. In double; the caller rounds.
Matrix<double> with_condition(Index rows, Index cols, double condition, std::uint64_t seed);
// One symmetric matrix with eigenvalues likewise.
Matrix<double> positive_definite(Index size, double condition, std::uint64_t seed);

// body(i) for every matrix: one after the other, so that the body may use all threads; or one a
// thread, the largest first.
enum class Loop { in_turn, one_a_thread };
void for_each(const Matrices& matrices, Loop loop, const std::function<void(Index)>& body);

// ||computed - exact||_F / ||exact||_F over the first exact.size() matrices.
double relative_error(const Matrices& computed, const std::vector<Matrix<double>>& exact);

}  // namespace muonflow::cli
