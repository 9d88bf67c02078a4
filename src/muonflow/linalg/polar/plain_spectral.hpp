// Functions of singular values and eigenvalues as a straightforward program computes them: one
// decomposition by LAPACK, one product. What the benchmark sets beside our kernels; not for use.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/polar/plain.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class Decomposition {
  svd,   // gesdd in float
  eigh,  // syevd of the small Gram matrix in double: in float its error would be u
         // (s_max/epsilon)^2
};

// x [m, n] <- x (x^T x + epsilon^2 I)^(-1/2), in place, contiguous rows. On threads() threads, or
// on the calling one inside a parallel loop. False: LAPACK did not converge, x is not to be used.
bool plain_regularized_polar(MatrixRef<float> x, double epsilon, Decomposition decomposition,
                             Scratch& scratch);

// The same by products alone: eight Polar Express steps on [x, epsilon I] for wide x.
void plain_regularized_polar(MatrixRef<float> x, double epsilon, ProductLibrary library,
                             Scratch& scratch);

// The conventional count of a thin SVD and the product that follows, 6 r^2 N + 22 r^3.
double plain_regularized_polar_flops(Index rows, Index cols);

// a [n, n] symmetric positive definite <- a^(-1/p), in place, by syevd in T. False as above. In
// float the error is about u times the condition number of a.
template <class T>
bool plain_inverse_root(MatrixRef<float> a, double p, Scratch& scratch);

// The conventional count of all eigenvectors and the product that follows, 9 n^3 + 2 n^3.
double plain_inverse_root_flops(Index size);

}  // namespace muonflow::linalg
