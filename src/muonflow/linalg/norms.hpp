// Norms and reductions, accumulated in double in an order that the shape fixes.
//
// No intermediate overflows or underflows: float entries of 1e-45 or 1e38 and double entries of
// 1e-300 or 1e300 give the right norm.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// sqrt(sum a_ij^2). NaN or infinite entries give NaN or infinity.
template <class T>
double frobenius_norm(const ConstMatrixRef<T>& a);

// sum a_ij b_ij, products and sum in double. Throws ShapeError.
template <class T>
double dot(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b);

// sum |a_ij|.
template <class T>
double absolute_sum(const ConstMatrixRef<T>& a);

// Largest |a_ij|; 0 for an empty matrix. Entries that are NaN are skipped.
template <class T>
double max_abs(const ConstMatrixRef<T>& a);

// The norm of each row of a [m, n] into norms [m, 1], of each column into norms [1, n]; the norms
// must not overlap a. A column whose entries are 1e-150 of the largest entry of a or less may count
// as zero in double. Throw ShapeError.
template <class T>
void row_norms(const ConstMatrixRef<T>& a, MatrixRef<double> norms);
template <class T>
void column_norms(const ConstMatrixRef<T>& a, MatrixRef<double> norms);

// Each row of x, or each column, over factor times its norm plus eps, in place; 0 / 0 is 0.
template <class T>
void divide_rows(MatrixRef<T> x, double factor, double eps);
template <class T>
void divide_columns(MatrixRef<T> x, double factor, double eps, Scratch& scratch);

template <class T>
bool all_finite(const ConstMatrixRef<T>& a);

// Sum and largest of the singular values, by SVD; NaN where an entry is not finite.
template <class T>
double nuclear_norm(const ConstMatrixRef<T>& a);
template <class T>
double spectral_norm(const ConstMatrixRef<T>& a);

}  // namespace muonflow::linalg
