// The coupled iteration itself: M -> I and X -> M^(-1/p) through factors that are functions of M.
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/roots/root_steps.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// root [n, n] <- m^(-1/p) for a symmetric m [n, n] whose eigenvalues lie where `steps` were made
// for; m is destroyed, both come out symmetric bit for bit. Each step: W = w(M), X <- W X, M <- W^p
// M, all symmetric and commuting, so that most products are at half work: 4 n^3 flops a polynomial
// step for p = 2 and 5 n^3 for p = 4, a rational one n^3 more. Rounding leaves an error of about u
// k, k = upper / lower, relative to the norm of the root; it is no smaller in the directions where
// the root itself is small. False where an inverse does not exist to working accuracy (m was not
// positive definite); root is then not to be used.
template <class T>
bool coupled_root(MatrixRef<T> m, int p, std::span<const RootStep> steps, MatrixRef<T> root,
                  Scratch& scratch);

// x [n, N] <- m^(-a/b) x the same way, but every factor goes straight to x: what rounding couples
// between directions is then multiplied by the small side of it, as a product with the finished
// root would not do. 2 n^2 N flops a step instead of n^3, and the powers W^a.
template <class T>
bool coupled_power(MatrixRef<T> m, int a, int b, std::span<const RootStep> steps, MatrixRef<T> x,
                   Scratch& scratch);

// power [n, n] <- a^p for a symmetric a [n, n] and p >= 1, by squaring; no overlap.
template <class T>
void symmetric_power(const ConstMatrixRef<T>& a, int p, MatrixRef<T> power, Scratch& scratch);

}  // namespace muonflow::linalg
