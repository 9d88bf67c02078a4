// (I + W W^T)^-1 W for W = slope X: what every rational polar step is a sum of. On the singular
// values g of W it is g / (1 + g^2).
//
// Two ways, of the same result: by an orthogonal factorization of [W, I], which forms no W W^T and
// so keeps the directions of small singular values however large the slope is; and by a Cholesky
// factorization of I + W W^T, for less, where its condition 1 + slope^2 is harmless.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// Values of T that resolvent_by_qr needs for scratch.
Index resolvent_scratch(Index rows, Index cols);

// out = (I + W W^T)^-1 W, W = slope x, both [r, n]; contiguous scratch; out must not overlap x.
//
// [W, I] = L [Q1, Q2] by Householder reflectors, and the result is Q2^T Q1. Reflectors are gathered
// by halves, all the way up to one block I - V^T T V, so that nearly all work is in products, which
// threads share, and Q1 and Q2 follow from T and V in triangular products. About 8 r^3 flops for a
// square x (LAPACK's geqrf, orgqr and a product: 26/3, two thirds of it on one thread).
template <class T>
void resolvent_by_qr(T slope, const ConstMatrixRef<T>& x, MatrixRef<T> out, T* scratch);

// The same given gram = x x^T [r, r]; scratch holds r^2 values. About r^3/3 + 2 r^2 n flops. False
// where a pivot is not positive, which no gram of an x has: out is then unspecified. A NaN passes
// through into out.
template <class T>
bool resolvent_by_cholesky(T slope, const ConstMatrixRef<T>& gram, const ConstMatrixRef<T>& x,
                           MatrixRef<T> out, T* scratch);

}  // namespace muonflow::linalg::detail
