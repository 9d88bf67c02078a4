// Inner products over all particles, the same for any number of threads: pieces of a fixed size,
// summed in double in their order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow::detail {

// sum of term(k) over k < size.
template <class Term>
double sum_over_elements(std::int64_t size, const Term& term) {
  constexpr std::int64_t kPiece = 1 << 13;
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

// <x, y> over the particles of all ranks; not finite where an entry is not. A matrix may have one
// row more than the system has particles here: numbers that all ranks have, which count once.
template <class T>
double inner(const System<T>& system, const Matrix<T>& x, const Matrix<T>& y) {
  const T* const a = x.data();
  const T* const b = y.data();
  const bool extra = x.rows() > system.layout().particles();
  const std::int64_t own = extra && system.ranks().rank() > 0 ? x.size() - x.cols() : x.size();
  double sum = sum_over_elements(
      own, [=](std::int64_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
  system.sum_over_ranks({&sum, 1});
  return sum;
}

template <class T>
double norm(const System<T>& system, const Matrix<T>& x) {
  return std::sqrt(inner(system, x, x));
}

}  // namespace muonflow::flow::detail
