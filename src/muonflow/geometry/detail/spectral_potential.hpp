// Kinetic energies that are a sum over the singular values, Phi(P) = sum_i phi(s_i) with phi(0) =
// 0: value, gradient U diag(phi'(s)) V^T and scaled values from one decomposition.
#pragma once

#include <algorithm>
#include <limits>

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::geometry::detail {

// p <- U diag(map(s)) V^T, from p = U diag(s) V^T; map(span of s in T, descending) replaces them.
// Not finite entries: non_finite_input, p unchanged.
template <class T, class Map>
Outcome map_singular_values(MatrixRef<T> p, linalg::Workspace<T>& workspace, const Map& map) {
  const Index m = p.rows(), n = p.cols(), r = std::min(m, n);
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto u = frame.matrix(m, r);
  auto vt = frame.matrix(r, n);
  const std::span<T> s = frame.values(r);
  const Outcome outcome = linalg::svd_into<T>(p, u.data(), s.data(), vt.data(), workspace);
  if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  map(s);
  for (Index i = 0; i < r; ++i) vt.row(i) *= s[static_cast<std::size_t>(i)];
  linalg::gemm<T>(linalg::Op::none, linalg::Op::none, T{1}, u, vt, T{0}, p);
  return {};
}

// Smallest first, so that the sum of many small values is not lost beside a large one.
template <class T, class Phi>
double sum_over(std::span<const T> s, const Phi& phi) {
  double sum = 0;
  for (std::size_t i = s.size(); i-- > 0;) sum += phi(static_cast<double>(s[i]));
  return sum;
}

// sum of phi over the singular values of p; NaN where an entry is not finite.
template <class T, class Phi>
double spectral_sum(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace, const Phi& phi) {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(p.rows(), p.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(p, s.data(), workspace);
  return outcome.ok() ? sum_over<T>(s, phi) : std::numeric_limits<double>::quiet_NaN();
}

// values [count, scales] <- sums of phi over scales[j] times the singular values of matrix i; NaN
// where an entry is not finite.
template <class T, class Phi>
void scaled_sums_of(const linalg::MatrixRun<T>& p, std::span<const double> scales,
                    std::span<double> values, linalg::Workspace<T>& workspace, const Phi& phi) {
  const Index rank = std::min(p.rows, p.cols);
  typename linalg::Workspace<T>::Frame frame(workspace);
  const auto s = frame.template values<double>(p.count * rank);
  linalg::singular_values_of<T>(p, s, workspace);
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.count); ++i) {
    const std::span<const double> own =
        s.subspan(i * static_cast<std::size_t>(rank), static_cast<std::size_t>(rank));
    for (std::size_t j = 0; j < scales.size(); ++j) {
      const double scale = scales[j];
      values[i * scales.size() + j] =
          sum_over<double>(own, [&](double x) { return phi(scale * x); });
    }
  }
}

// T is float or double.
template <class T>
class SpectralPotential : public Potential<T> {
 public:
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const override {
    return spectral_sum<T>(p, workspace, [this](double s) { return phi(s); });
  }

  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return value_and_gradient(p, workspace).outcome;
  }

  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override {
    ValueAndGradient result;
    result.outcome = map_singular_values<T>(p, workspace, [&](std::span<T> s) {
      result.value = sum_over<T>(s, [this](double x) { return phi(x); });
      result.pairing = sum_over<T>(s, [this](double x) { return x * slope(x); });
      for (T& x : s) x = static_cast<T>(slope(static_cast<double>(x)));
    });
    return result;
  }

  void scaled_values(const ConstMatrixRef<T>& p, std::span<const double> scales,
                     std::span<double> values, linalg::Workspace<T>& workspace) const override {
    typename linalg::Workspace<T>::Frame frame(workspace);
    const std::span<T> s = frame.values(std::min(p.rows(), p.cols()));
    const Outcome outcome = linalg::singular_values_into<T>(p, s.data(), workspace);
    for (std::size_t j = 0; j < scales.size(); ++j) {
      const double scale = scales[j];
      values[j] = outcome.ok() ? sum_over<T>(s, [&](double x) { return phi(scale * x); })
                               : std::numeric_limits<double>::quiet_NaN();
    }
  }

  void scaled_values_of(const linalg::MatrixRun<T>& p, std::span<const double> scales,
                        std::span<double> values, linalg::Workspace<T>& workspace) const override {
    scaled_sums_of<T>(p, scales, values, workspace, [this](double s) { return phi(s); });
  }

 protected:
  virtual double phi(double s) const = 0;    // s >= 0
  virtual double slope(double s) const = 0;  // phi'; 0 at 0
};

}  // namespace muonflow::geometry::detail
