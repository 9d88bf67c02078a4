#include "muonflow/linalg/rational_coefficients.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace muonflow::linalg {
namespace {

// The means of 1 and l, from (1, l) until they agree.
struct Means {
  static constexpr std::size_t kMost = 16;  // 12 from l = 1e-300
  std::array<double, kMost> a{};
  std::array<double, kMost> b{};
  std::size_t count = 0;

  explicit Means(double l) {
    constexpr double kAgree = 2 * std::numeric_limits<double>::epsilon();
    double mean = 1;
    double root = l;
    while (count + 1 < kMost && std::abs(mean - root) > kAgree * mean) {
      a[count] = mean;
      b[count++] = root;
      const double next = (mean + root) / 2;
      root = std::sqrt(mean * root);
      mean = next;
    }
    a[count] = mean;
    b[count++] = root;
  }
  double limit() const { return a[count - 1]; }
};

}  // namespace

double OddRational::operator()(double x) const {
  double sum = linear * x;
  for (std::size_t j = 0; j < count; ++j) {
    const double g = terms[j].slope * x;
    sum += terms[j].weight * g / (1 + g * g);
  }
  return sum;
}

OddRational QdwhCoefficients::rational() const {
  OddRational f;
  f.linear = b / c;
  f.terms[0] = {.slope = std::sqrt(c), .weight = (a - b / c) / std::sqrt(c)};
  f.count = 1;
  return f;
}

QdwhCoefficients qdwh_coefficients(double l) {
  const double squared = l * l;
  const double d = std::cbrt(4 * (1 - l) * (1 + l) / squared / squared);
  const double root = std::sqrt(1 + d);
  QdwhCoefficients k;
  k.a = root + std::sqrt(8 - 4 * d + 8 * (2 - squared) / (squared * root)) / 2;
  k.b = (k.a - 1) * (k.a - 1) / 4;
  k.c = k.a + k.b - 1;
  return k;
}

double elliptic_k(double l) { return std::numbers::pi / (2 * Means(l).limit()); }

// With C_n = a_n cs(a_n u; complementary modulus b_n / a_n), and S_n^2 = C_n^2 + a_n^2, D_n^2 =
// C_n^2 + b_n^2, Gauss's transformation reads C_n = C_n+1 D_n+1 / S_n+1; where the means agree the
// function is a circular one.
double elliptic_cs(double fraction, double l) {
  const Means means(l);
  double value = means.limit() / std::tan(fraction * (std::numbers::pi / 2));
  for (std::size_t n = means.count - 1; n > 0; --n) {
    const double square = value * value;
    value *= std::sqrt((square + means.b[n] * means.b[n]) / (square + means.a[n] * means.a[n]));
  }
  return value;
}

double ZolotarevCoefficients::operator()(double x) const {
  double product = m_hat * x;
  for (std::size_t j = 0; j < a.size(); ++j) {
    product *= (x * x + c[2 * j + 1]) / (x * x + c[2 * j]);
  }
  return product;
}

OddRational ZolotarevCoefficients::rational() const {
  OddRational f;
  f.linear = m_hat;
  f.count = a.size();
  for (std::size_t j = 0; j < f.count; ++j) {
    const double root = std::sqrt(c[2 * j]);
    f.terms[j] = {.slope = 1 / root, .weight = m_hat * a[j] / root};
  }
  return f;
}

ZolotarevCoefficients zolotarev_coefficients(double l, std::size_t r) {
  ZolotarevCoefficients k;
  k.c.resize(2 * r);
  for (std::size_t i = 0; i < 2 * r; ++i) {
    const double cs = elliptic_cs(static_cast<double>(i + 1) / static_cast<double>(2 * r + 1), l);
    k.c[i] = (l / cs) * (l / cs);
  }
  k.a.resize(r);
  for (std::size_t j = 0; j < r; ++j) {
    // Numerator and denominator pair by pair: each quotient is near 1 or moderate.
    double product = -(k.c[2 * j] - k.c[2 * j + 1]);
    for (std::size_t i = 0; i < r; ++i) {
      if (i == j) continue;
      product *= (k.c[2 * j] - k.c[2 * i + 1]) / (k.c[2 * j] - k.c[2 * i]);
    }
    k.a[j] = product;
    k.m_hat *= (1 + k.c[2 * j]) / (1 + k.c[2 * j + 1]);
  }
  return k;
}

std::size_t zolotarev_order(double l, int steps, double tolerance) {
  for (std::size_t r = 1; r < OddRational::kMaxTerms; ++r) {
    double at = l;
    for (int step = 0; step < steps; ++step) {
      at = std::min(1.0, zolotarev_coefficients(at, r)(at));
    }
    if (1 - at <= tolerance) return r;
  }
  return OddRational::kMaxTerms;
}

}  // namespace muonflow::linalg
