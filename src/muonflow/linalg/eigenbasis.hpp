// Orthonormal bases of eigenvectors that follow a slowly changing matrix, as SOAP keeps them
// (arXiv:2409.11321): found once by a decomposition, then refreshed by one step of power iteration.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// left [m, m] and right [n, n] <- orthonormal bases whose first columns are the singular vectors of
// a [m, n] in descending order, that is eigenvectors of a a^T and a^T a; empty ones are left out.
//
// Where a has no say (max(m, n) exceeds the rank), any completion is an eigenbasis, and solvers
// differ. Here it is Householder's: it depends continuously on the vectors before it and not on
// their signs, so that float follows double and nothing depends on roundings. Singular values up to
// max(m, n) machine epsilons (of T) of the largest count as 0. Zero gives identities.
//
// By SVD in double on one thread: about 4 r^2 N + 22 r^3 flops and 2 (m^3 + n^3) for the bases.
// Where the outcome is not ok the bases are unchanged. Throws ShapeError.
template <class T>
Outcome singular_bases(const ConstMatrixRef<T>& a, MatrixRef<T> left, MatrixRef<T> right,
                       Workspace<T>& workspace);

// q [n, n] <- the orthonormal factor of c q P: one power iteration for the symmetric c [n, n], the
// columns sorted first (P) by their Rayleigh quotients q_j^T c q_j in descending order, equal ones
// in the order they had. order [n] <- P: column k of the new basis comes from column order[k] of
// the old. About 2 n^3 + 3 n^3 flops. Where the outcome is not ok q is unchanged. Throws
// ShapeError.
template <class T>
Outcome refresh_eigenbasis(const ConstMatrixRef<T>& c, MatrixRef<T> q, std::span<Index> order,
                           Workspace<T>& workspace);

// The same for the bases of both sides, and what is kept in their coordinates goes along: rows of v
// [m, n] are sorted as the columns of left, columns of v as those of right. Sides whose basis is
// empty stay as they are. Where the outcome is not ok some of it may be refreshed.
template <class T>
Outcome refresh_bases(const ConstMatrixRef<T>& left_matrix, const ConstMatrixRef<T>& right_matrix,
                      MatrixRef<T> left, MatrixRef<T> right, MatrixRef<T> v,
                      Workspace<T>& workspace);

// x [m, n] <- left^T x right, its coordinates, and left x right^T, back; an empty basis stands for
// the identity. In place.
template <class T>
void into_bases(const ConstMatrixRef<T>& left, const ConstMatrixRef<T>& right, MatrixRef<T> x,
                Workspace<T>& workspace);
template <class T>
void out_of_bases(const ConstMatrixRef<T>& left, const ConstMatrixRef<T>& right, MatrixRef<T> x,
                  Workspace<T>& workspace);

}  // namespace muonflow::linalg
