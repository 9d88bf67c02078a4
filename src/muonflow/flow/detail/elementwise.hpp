// Elementwise algebra over the particles' matrices, in parallel. An element's value depends on
// nothing but the same element of the inputs, so the pieces may be cut anywhere.
#pragma once

#include <cstdint>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow::flow::detail {

// body(k) for every element k of matrices of one size; bodies index data() themselves.
template <class T, class Body>
void for_each_element(const Matrix<T>& like, const Body& body) {
  constexpr std::int64_t kGrain = 1 << 14;  // below this a thread's start costs more than the work
  parallel_for(like.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) body(k);
  });
}

// out <- a x + b y, elementwise; out may be x or y. The same two products and one sum as an
// optimizer rule's moving average, in the same order, so that their bits agree.
template <class T>
void combine(T a, const Matrix<T>& x, T b, const Matrix<T>& y, Matrix<T>& out) {
  out.resize(x.rows(), x.cols());
  const T* const from = x.data();
  const T* const other = y.data();
  T* const to = out.data();
  for_each_element(x, [=](std::int64_t k) { to[k] = a * from[k] + b * other[k]; });
}

// out <- x + b y, elementwise; out may be x.
template <class T>
void add_scaled(const Matrix<T>& x, T b, const Matrix<T>& y, Matrix<T>& out) {
  out.resize(x.rows(), x.cols());
  const T* const from = x.data();
  const T* const other = y.data();
  T* const to = out.data();
  for_each_element(x, [=](std::int64_t k) { to[k] = from[k] + b * other[k]; });
}

}  // namespace muonflow::flow::detail
