// The last passes of an optimizer step, entry by entry: from a direction to weights that are known
// to be finite before they replace the old ones. As in moments.hpp every operation is rounded once.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

// d <- after (kept w - by d); whether every entry of the new d is finite. w and d are of one shape
// and do not overlap; rows may lie apart. Throws ShapeError.
struct WeightStep {
  double kept = 1;   // decay before the step
  double by = 0;     // learning rate
  double after = 1;  // decay after it
};
template <class T>
bool weights_after(const WeightStep& step, const ConstMatrixRef<T>& w, MatrixRef<T> d);

// d <- sign(d), sign(0) = 0. Where an entry is not finite: false, and d is unchanged.
template <class T>
bool to_signs(MatrixRef<T> d);

// to <- from, whole rows at a time. Throws ShapeError.
template <class T>
void copy_rows(const ConstMatrixRef<T>& from, MatrixRef<T> to);

}  // namespace muonflow::linalg
