// What is done to symmetric matrices in panels besides products.
#pragma once

#include <span>

#include "muonflow/linalg/detail/panels.hpp"

namespace muonflow::linalg::detail {

// to <- alpha a + gamma I, both [m, m].
template <class T>
void affine(const Panels<T>& a, T alpha, T gamma, const Panels<T>& to);

template <class T>
bool all_finite(const Panels<T>& a);

// An estimate of the largest eigenvalue of a positive semidefinite a [m, m], from a few steps of
// the power method that begin with its heaviest column: at most the eigenvalue, and in practice
// above half of it. `vectors` is scratch for 2 padded(m) values. 6 m^2 flops.
template <class T>
double largest_eigenvalue(const Panels<T>& a, std::span<T> vectors);

// sums[i] <- sum over j of |a_ij|; `sums` has room for padded(m).
template <class T>
void absolute_row_sums(const Panels<T>& a, std::span<T> sums);

// Entry (i, k) of any panels times factors[i], or times factors[k].
template <class T>
void scale_lanes(const Panels<T>& a, std::span<T> factors);
template <class T>
void scale_depth(const Panels<T>& a, std::span<T> factors);

// An upper bound of the largest eigenvalue of a positive semidefinite a, safe against its
// roundings: the smaller of the Frobenius norm and the largest absolute row sum. `sums` is scratch.
template <class T>
double norm_bound(const Panels<T>& a, std::span<T> sums);

template <class T>
double trace(const Panels<T>& a);
// tr(a b) of symmetric matrices.
template <class T>
double inner_product(const Panels<T>& a, const Panels<T>& b);

}  // namespace muonflow::linalg::detail
