// A matrix seen from its left (rows, [m, m]) and from its right (columns, [n, n]): running averages
// of its two Gram matrices, and products with a matrix on either side. What Shampoo, SOAP and ASGO
// are made of.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class Side { left, right };

// c = beta c + (1 - beta) g g^T on the left, c [m, m]; with g^T g on the right, c [n, n]. c must be
// symmetric and is so afterwards, bit for bit. About m^2 n or m n^2 flops; same bits for any number
// of threads. Throws ShapeError.
template <class T>
void average_gram(Side side, double beta, const ConstMatrixRef<T>& g, MatrixRef<T> c,
                  Workspace<T>& workspace);

// Both averages; an empty matrix is left out.
template <class T>
void average_grams(double beta, const ConstMatrixRef<T>& g, MatrixRef<T> left, MatrixRef<T> right,
                   Workspace<T>& workspace);

// x [m, n] <- op(s) x on the left, s [m, m]; x op(s) on the right, s [n, n]. In place; rows may lie
// apart; s must not overlap x. 2 m^2 n or 2 m n^2 flops. Throws ShapeError.
template <class T>
void multiply_side(Side side, Op op, const ConstMatrixRef<T>& s, MatrixRef<T> x,
                   Workspace<T>& workspace);

}  // namespace muonflow::linalg
