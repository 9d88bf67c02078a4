// Inner products over all particles, the same for any number of threads: pieces of a fixed size,
// summed in double in their order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow::flow::detail {

// sum of term(k) over the elements of a matrix of this size.
template <class T, class Term>
double sum_over_elements(const Matrix<T>& like, const Term& term) {
  constexpr std::int64_t kPiece = 1 << 13;
  const std::int64_t size = like.size();
  const std::int64_t pieces = (size + kPiece - 1) / kPiece;
  std::vector<double> partial(static_cast<std::size_t>(pieces));
  parallel_for(pieces, 2, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      double sum = 0;
      for (std::int64_t k = p * kPiece; k < std::min(size, (p + 1) * kPiece); ++k) sum += term(k);
      partial[static_cast<std::size_t>(p)] = sum;
    }
  });
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

// <x, y>; not finite where an entry is not.
template <class T>
double inner(const Matrix<T>& x, const Matrix<T>& y) {
  const T* const a = x.data();
  const T* const b = y.data();
  return sum_over_elements(
      x, [=](std::int64_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
}

template <class T>
double norm(const Matrix<T>& x) {
  return std::sqrt(inner(x, x));
}

}  // namespace muonflow::flow::detail
