// One block of matrices through a composition of odd polynomials on their singular values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "muonflow/linalg/batched/interleaved.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg::detail {

// What X / (||X|| guarded by guard) starts from; with epsilon, [X, epsilon I] / its norm.
struct PolynomialStart {
  double guard = 0;
  bool add = true;  // ||X|| + guard, otherwise max(||X||, guard)
};

struct PolynomialResult {
  std::uint32_t non_finite = 0;
  std::uint32_t overflowed = 0;
};

// block [rows][cols][16], rows <= cols; epsilon null or 16 values aligned to 64 bytes. Lanes in
// trouble are left as they were.
template <class T>
std::size_t polynomial_scratch(Index rows, Index cols);
template <class T>
PolynomialResult polynomial_steps(T* block, Index rows, Index cols,
                                  std::span<const OddPolynomial> steps,
                                  const PolynomialStart& start, const double* epsilon,
                                  std::byte* scratch);

}  // namespace muonflow::linalg::detail
