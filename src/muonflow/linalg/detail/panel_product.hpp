// Products of matrices in panels, with what is done to the result fused into the write.
//
// c = a b^T over the common depth, tile by tile; a symmetric c is computed for its lower triangle
// alone, which halves the work: X X^T, and products of commuting symmetric matrices. Tiles are cut
// by the shape alone and each is one thread's work: the same bits for any number of threads.
#pragma once

#include <array>

#include "muonflow/linalg/detail/panels.hpp"

namespace muonflow::linalg::detail {

// One matrix to be written: alpha c + beta addend + gamma I, in any of three forms.
template <class T>
struct PanelOutput {
  T alpha = 1;
  T beta = 0;   // of PanelProduct::addend
  T gamma = 0;  // of the identity; for square c
  // Panels over the columns of c (depth: its rows), which are those of c^T; and panels over its
  // rows (depth: its columns). For a symmetric c they are the same and `columns` alone is set.
  T* columns = nullptr;
  T* rows = nullptr;
  // Row-major, rows `stride` apart; `turned`: c^T instead of c.
  T* plain = nullptr;
  Index stride = 0;
  bool turned = false;
};

template <class T>
struct PanelProduct {
  Panels<T> a;                // [m, k]
  Panels<T> b;                // [n, k]
  bool symmetric = false;     // c is: the lower triangle is computed and mirrored
  const T* addend = nullptr;  // as `columns` of c; must not be an output
  std::array<PanelOutput<T>, 2> outputs{};
  int output_count = 1;
  Index depth_block = 512;  // summands between two additions to memory; the bits depend on it
};

template <class T>
void multiply(const PanelProduct<T>& product);

}  // namespace muonflow::linalg::detail
