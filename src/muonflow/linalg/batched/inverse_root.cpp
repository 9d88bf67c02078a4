#include "muonflow/linalg/batched/inverse_root.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>

namespace muonflow::linalg {
namespace {

// The complete elliptic integral K of the modulus whose complement is given, by the
// arithmetic-geometric mean.
double elliptic_k(double complement) {
  double a = 1;
  double b = complement;
  while (a - b > 1e-15 * a) {
    const double mean = (a + b) / 2;
    b = std::sqrt(a * b);
    a = mean;
  }
  return std::numbers::pi / (a + b);
}

// sn(u) / cn(u) by descending Landen steps on the tangent of the amplitude. All in the
// complementary modulus: sqrt(1 - q) itself would round to 1.
double sn_over_cn(double u, double complement) {
  std::array<double, 16> a{};
  std::array<double, 16> b{};
  std::size_t n = 0;
  a[0] = 1;
  b[0] = complement;
  while (a[n] - b[n] > 1e-15 * a[n] && n + 1 < a.size()) {
    a[n + 1] = (a[n] + b[n]) / 2;
    b[n + 1] = std::sqrt(a[n] * b[n]);
    ++n;
  }
  // phi_n = 2^n a_n u in [0, 2^n K a_n]; sin(2 phi_(k-1) - phi_k) = (c_k / a_k) sin(phi_k).
  double phi = std::ldexp(a[n] * u, static_cast<int>(n));
  for (; n > 0; --n) {
    const double c = (a[n - 1] - b[n - 1]) / 2;
    phi = (phi + std::asin(std::clamp(c / a[n] * std::sin(phi), -1.0, 1.0))) / 2;
  }
  return std::tan(phi);
}

}  // namespace

double InverseRoot::operator()(double x) const {
  double sum = 1;
  for (std::size_t j = 0; j < static_cast<std::size_t>(poles); ++j)
    sum += weight[j] / (x + pole[j]);
  return center * sum;
}

InverseRoot inverse_root(double q, int poles) {
  const double l = std::sqrt(q);
  const double k = elliptic_k(l);
  const int parts = 2 * poles + 1;
  // c_i = q sn^2 / cn^2 at i K / parts; c_i c_(parts - i) = q spares the values near the pole of
  // the tangent.
  std::array<double, 2 * InverseRoot::kMaxPoles + 1> c{};
  for (int i = 1; i <= poles; ++i) {
    const double ratio = sn_over_cn(i * k / parts, l);
    c[static_cast<std::size_t>(i)] = q * ratio * ratio;
    c[static_cast<std::size_t>(parts - i)] = 1 / (ratio * ratio);
  }
  InverseRoot result;
  result.poles = poles;
  for (int j = 0; j < poles; ++j) {
    const double pole = c[static_cast<std::size_t>(2 * j + 1)];
    // Factors in pairs, so that neither product leaves the range of doubles.
    double weight = c[static_cast<std::size_t>(2 * j + 2)] - pole;
    for (int i = 0; i < poles; ++i) {
      if (i == j) continue;
      weight *= (pole - c[static_cast<std::size_t>(2 * i + 2)]) /
                (pole - c[static_cast<std::size_t>(2 * i + 1)]);
    }
    result.pole[static_cast<std::size_t>(j)] = pole;
    result.weight[static_cast<std::size_t>(j)] = weight;
  }
  // x f(x^2) swings between its values at sqrt(q), the least, and at 1, the greatest.
  const double least = l * result(q);
  const double greatest = result(1);
  result.center = 2 / (least + greatest);
  result.error = (greatest - least) / (greatest + least);
  return result;
}

InverseRoot inverse_root_to(double q, double error) {
  for (int poles = 1; poles < InverseRoot::kMaxPoles; ++poles) {
    const InverseRoot result = inverse_root(q, poles);
    if (result.error <= error) return result;
  }
  return inverse_root(q, InverseRoot::kMaxPoles);
}

InverseRootTable::InverseRootTable(double error) : error_(error) {
  for (int k = 0; k < kRows; ++k) {
    rows_.push_back(inverse_root_to(std::ldexp(1.0, -std::max(k, 1)), error));
  }
}

const InverseRootTable& InverseRootTable::shared(double error) {
  static std::mutex mutex;
  static std::map<double, std::unique_ptr<InverseRootTable>> tables;
  const std::scoped_lock lock(mutex);
  auto& table = tables[error];
  if (!table) table = std::make_unique<InverseRootTable>(error);
  return *table;
}

}  // namespace muonflow::linalg
