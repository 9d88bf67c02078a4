// Normal random entries, in the order of memory.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::linalg {

template <class T>
Matrix<T> normal_matrix(Index rows, Index cols, std::uint64_t seed) {
  Matrix<T> a(rows, cols);
  Rng rng(seed, 0);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<T>(rng.normal());
  return a;
}

}  // namespace muonflow::linalg
