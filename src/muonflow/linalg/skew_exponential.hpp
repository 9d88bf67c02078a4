// The exponential of a skew-symmetric matrix, which is a rotation, and two cheaper maps that agree
// with it to second order: how Pion turns a matrix of weights (arXiv:2605.12492).
#pragma once

#include <array>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/sides.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Error relative to exp for |X| = t (the largest angle), and what becomes of singular values:
enum class SkewMap {
  taylor2,  // I + X + X^2 / 2: t^3 / 6; an angle a multiplies singular values by sqrt(1 + a^4 / 4)
  cayley,   // (I - X/2)^(-1) (I + X/2): t^3 / 12; orthogonal to roundoff
  exp,      // exp(X) to roundoff; orthogonal to roundoff
};

// x [n, n] <- the map of the skew-symmetric matrix whose entries below the diagonal x holds (the
// others are not read), in place; rows may lie apart. Zero gives the identity exactly.
//
// exp: diagonal Pade approximants of degree 3 to 9 by the norm, scaling and squaring beyond (N.
// Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix
// Anal. Appl. 26, 2005). A diagonal approximant of a skew matrix is orthogonal whatever its
// truncation, as Cayley's map, the one of degree 1, is; each squaring doubles the roundoff, so each
// is followed by one step of Newton's iteration for the polar factor.
//
// Flops: taylor2 n^3, cayley 2.7 n^3, exp 6 to 10 n^3 for t below 2 (float: 4). Factorizations on
// one thread: same bits for any number. Entries that are not finite: non_finite_input; a result out
// of range (taylor2 alone): non_finite_result; x is unchanged in both. Throws ShapeError for a
// matrix that is not square.
template <class T>
Outcome skew_exponential(MatrixRef<T> x, SkewMap map, Workspace<T>& workspace);

// x [m, n] <- E x on the left, E [m, m]; x E on the right, E [n, n]: E the map of `skew`, whose
// entries are scratch afterwards. Where x is thin, less than half as long the other way, taylor2
// multiplies twice by `skew` instead of forming E. Where the outcome is not ok x is unchanged.
template <class T>
Outcome turn(Side side, SkewMap map, MatrixRef<T> skew, MatrixRef<T> x, Workspace<T>& workspace);

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::SkewMap> {
  static constexpr std::array<std::string_view, 3> names{"taylor2", "cayley", "exp"};
};
