// Matrices of one shape as the fewest rows that elementwise loops must walk.
#pragma once

#include "muonflow/core/error.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

template <class A, class B>
void check_same(const char* what, const A& a, const B& b) {
  if (a.rows() == b.rows() && a.cols() == b.cols()) return;
  throw ShapeError({.what = what,
                    .expected = to_string(Shape{a.rows(), a.cols()}),
                    .found = to_string(Shape{b.rows(), b.cols()})});
}

template <class M>
bool together(const M& a) {
  return a.outerStride() == a.cols() || a.rows() == 1;
}

// row(count, i): the entries of row i; all at once, as row 0, where the rows of every matrix follow
// one another.
template <class Row, class First, class... Rest>
void walk(const Row& row, const First& first, const Rest&... rest) {
  if (together(first) && (together(rest) && ...)) {
    row(first.size(), Index{0});
    return;
  }
  for (Index i = 0; i < first.rows(); ++i) row(first.cols(), i);
}

}  // namespace muonflow::linalg::detail
