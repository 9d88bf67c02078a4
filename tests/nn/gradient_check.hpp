// Helpers of the layers' tests: random matrices, numerical derivatives, equality across threads.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::test {

template <class T>
Matrix<T> random_matrix(Index rows, Index cols, std::uint64_t seed, double scale = 1) {
  Rng rng(seed);
  Matrix<T> matrix(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) matrix(i, j) = static_cast<T>(scale * rng.normal());
  }
  return matrix;
}

template <class T>
std::span<T> span_of(Matrix<T>& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

inline double inner_product(const Matrix<double>& a, const Matrix<double>& b) {
  return a.cwiseProduct(b).sum();
}

inline std::vector<std::int32_t> random_tokens(Index count, std::int32_t vocabulary,
                                               std::uint64_t seed) {
  Rng rng(seed, 7);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (auto& token : tokens) {
    token = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary)));
  }
  return tokens;
}

// Every `stride`-th element of `gradient` against the fourth-order central difference of `value`
// in that element of `x`. With h = 2e-3 both the truncation (h^4 times the fifth derivative) and
// the rounding of the value (eps / h) stay near 1e-12 for values and derivatives of order one; the
// bound leaves room for derivatives a thousand times larger than the gradient's own scale.
inline void expect_gradient(const std::string& name, std::span<double> x,
                            std::span<const double> gradient, const std::function<double()>& value,
                            std::size_t stride = 1) {
  ASSERT_EQ(x.size(), gradient.size()) << name;
  ASSERT_FALSE(x.empty()) << name;
  constexpr double h = 2e-3;
  double scale = 1e-3;
  for (const double g : gradient) scale = std::max(scale, std::abs(g));
  for (std::size_t i = 0; i < x.size(); i += stride) {
    const double at = x[i];
    const auto shifted = [&](double by) {
      x[i] = at + by;
      return value();
    };
    const double slope =
        (8 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12 * h);
    x[i] = at;
    EXPECT_NEAR(gradient[i], slope, 1e-8 * scale) << name << " element " << i;
  }
}

// Runs `compute` on 1, 2 and 4 threads and expects the same bits.
inline void expect_same_bits(const std::function<Matrix<float>()>& compute) {
  set_threads(1);
  const Matrix<float> one = compute();
  for (const int count : {2, 4}) {
    set_threads(count);
    const Matrix<float> many = compute();
    EXPECT_TRUE((one.array() == many.array()).all()) << count << " threads";
  }
  set_threads(0);
}

}  // namespace muonflow::test
