// The smoothed sum of absolute entries: signed momentum that turns linear for small entries, the
// twin of smoothed_nuclear entry by entry.
//
//   Phi(P)  = sum_ij sqrt(P_ij^2 + epsilon^2) - epsilon
//   grad    = P_ij / sqrt(P_ij^2 + epsilon^2)
//   Phi*(X) = epsilon sum_ij 1 - sqrt(1 - X_ij^2) if max |X_ij| <= 1, else infinity
//   Hessian <= 1/epsilon, and >= epsilon^2/(K^2 + epsilon^2)^(3/2) on ||P||_op <= K
// P. Charbonnier et al. 1994 (the function); J. Bernstein et al., arXiv:1802.04434 (the limit).
#pragma once

#include <cmath>
#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::geometry {

template <class T>
class SmoothedSign final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{
      .name = "smoothed_sign",
      .equation = "sum_ij sqrt(P_ij^2 + epsilon^2) - epsilon",
      .cite = "arXiv:1802.04434",
      .convex = true,
      .smooth = true,
      .bounded_gradient = true,
      .orthogonally_invariant = false,
      .step = "h epsilon sum_ij 1 - sqrt(1 - X_ij^2), X = (W' - W)/h"};
  struct Options {
    double epsilon = 1e-2;
    void fields(FieldVisitor& v) {
      v.real("epsilon", epsilon, kPositive, "where the sum turns quadratic, absolute");
    }
  };
  explicit SmoothedSign(const Options& options = {}) : epsilon_(options.epsilon) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>&) const override {
    double sum = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      for (Index j = 0; j < p.cols(); ++j) sum += value_of(static_cast<double>(p(i, j)));
    }
    return std::isfinite(sum) ? sum : std::numeric_limits<double>::quiet_NaN();
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return value_and_gradient(p, workspace).outcome;
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p, linalg::Workspace<T>&) const override {
    if (!linalg::all_finite<T>(p)) {
      return {.outcome = {.status = Status::non_finite_input, .changed = false}};
    }
    ValueAndGradient result;
    for (Index i = 0; i < p.rows(); ++i) {
      for (Index j = 0; j < p.cols(); ++j) {
        const auto x = static_cast<double>(p(i, j));
        const double slope = x / std::hypot(x, epsilon_);
        result.value += value_of(x);
        result.pairing += x * slope;
        p(i, j) = static_cast<T>(slope);
      }
    }
    return result;
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>&) const override {
    if (!linalg::all_finite<T>(x)) return std::numeric_limits<double>::quiet_NaN();
    if (!detail::in_unit_ball<T>(linalg::max_abs<T>(x), x)) {
      return std::numeric_limits<double>::infinity();
    }
    double sum = 0;
    for (Index i = 0; i < x.rows(); ++i) {
      for (Index j = 0; j < x.cols(); ++j) {
        const double inside = std::min(1.0, std::abs(static_cast<double>(x(i, j))));
        sum += inside * inside / (1 + std::sqrt((1 - inside) * (1 + inside)));
      }
    }
    return epsilon_ * sum;
  }
  std::optional<double> hessian_bound() const override { return 1 / epsilon_; }
  double strong_convexity(double radius) const override {
    const double root = std::hypot(radius, epsilon_);
    const double ratio = epsilon_ / root;
    return ratio * ratio / root;
  }

 private:
  // sqrt(x^2 + epsilon^2) - epsilon without cancellation.
  double value_of(double x) const {
    const double size = std::abs(x);
    return size * (size / (std::hypot(size, epsilon_) + epsilon_));
  }

  double epsilon_;
};

inline const Enrolled<SmoothedSign> kSmoothedSignEnrolled;

}  // namespace muonflow::geometry
