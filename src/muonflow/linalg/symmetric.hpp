// Products whose result is symmetric, for half the work of a general product: tiles of the lower
// triangle, each written with its mirror image.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// c = alpha a a^T + beta c, with a [m, k], c [m, m]; both triangles are written and are mirror
// images bit for bit. c must be symmetric where beta is not 0 (its lower triangle is read); beta =
// 0 overwrites c whatever it holds. c must not overlap a. About m^2 k flops. Same bits for any
// number of threads. Throws ShapeError.
template <class T>
void symmetric_product(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c);

// The same where a workspace is at hand: a is transposed into it first, since oneDNN multiplies by
// rows half again as fast as by columns in tiles this small.
template <class T>
void symmetric_product(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c,
                       Scratch& scratch);

// c = alpha a^2 + beta c for a symmetric a [m, m], whose transpose is a itself.
template <class T>
void symmetric_square(T alpha, const ConstMatrixRef<T>& a, T beta, MatrixRef<T> c);

}  // namespace muonflow::linalg
