// An odd polynomial p(x) = x (c_0 + c_1 x^2 + c_2 x^4 + ...) on singular values: one step of a
// polynomial polar method, X <- (c_0 I + c_1 A + c_2 A^2 + ...) X with A = X X^T.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>

namespace muonflow::linalg {

struct OddPolynomial {
  static constexpr std::size_t kMaxTerms = 8;  // degree 15

  std::array<double, kMaxTerms> coefficients{};  // of x, x^3, x^5, ...
  std::size_t terms = 0;

  constexpr OddPolynomial() = default;
  // At most kMaxTerms of them.
  constexpr OddPolynomial(std::initializer_list<double> values) {
    for (const double value : values) coefficients[terms++] = value;
  }

  constexpr int degree() const { return 2 * static_cast<int>(terms) - 1; }
  constexpr double operator[](std::size_t k) const { return coefficients[k]; }

  constexpr double operator()(double x) const {
    double sum = 0;
    for (std::size_t k = terms; k-- > 0;) sum = coefficients[k] + x * x * sum;
    return x * sum;
  }
  constexpr double derivative(double x) const {
    double sum = 0;
    for (std::size_t k = terms; k-- > 0;) {
      sum = static_cast<double>(2 * k + 1) * coefficients[k] + x * x * sum;
    }
    return sum;
  }
};

// p(x times / over). Two numbers, since 1 / over would be rounded before its powers are taken.
constexpr OddPolynomial with_scaled_input(OddPolynomial p, double times, double over = 1) {
  double multiplier = times;
  double divisor = over;
  for (std::size_t k = 0; k < p.terms; ++k) {
    p.coefficients[k] = p.coefficients[k] * multiplier / divisor;
    multiplier *= times * times;
    divisor *= over * over;
  }
  return p;
}

}  // namespace muonflow::linalg
