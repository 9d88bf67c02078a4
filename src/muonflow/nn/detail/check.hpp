// Shape checks that the layers share.
#pragma once

#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/matrix.hpp"

namespace muonflow::nn::detail {

// Throws ShapeError "place: what: expected [r, c], found [r', c']".
template <class M>
void check_shape(const char* place, const char* what, const M& matrix, Index rows, Index cols) {
  if (matrix.rows() == rows && matrix.cols() == cols) return;
  throw ShapeError({.place = place,
                    .what = what,
                    .expected = to_string(Shape{rows, cols}),
                    .found = to_string(Shape{matrix.rows(), matrix.cols()})});
}

template <class S>
void check_size(const char* place, const char* what, const S& span, Index size) {
  if (static_cast<Index>(span.size()) == size) return;
  throw ShapeError({.place = place,
                    .what = what,
                    .expected = to_string(Shape{size}),
                    .found = to_string(Shape{static_cast<std::int64_t>(span.size())})});
}

}  // namespace muonflow::nn::detail
