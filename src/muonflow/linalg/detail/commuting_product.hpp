// The product of two symmetric matrices that commute, symmetric itself, for half the work of a
// general product.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// c = a b with a, b [n, n] symmetric and a b = b a up to rounding; tiles of the lower triangle are
// computed and mirrored, so c is symmetric bit for bit. c must not overlap a or b; a and b may be
// one matrix. About n^3 flops. Same bits for any number of threads.
template <class T>
void commuting_product(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, MatrixRef<T> c);

}  // namespace muonflow::linalg::detail
