// The energy of a relativistic particle: heavy ball for small momenta, a step of bounded length for
// large ones, in the direction of the momentum.
//
//   Phi(P) = sqrt(epsilon^2 + ||P||_F^2) - epsilon        epsilon = 1 by default
//   grad   = P / sqrt(epsilon^2 + ||P||_F^2)              ||grad||_F < 1, the speed of light
//   Phi*(X) = epsilon (1 - sqrt(1 - ||X||_F^2)) if ||X||_F <= 1, else infinity
//   Hessian <= 1/epsilon
// Normalized momentum is its limit epsilon = 0. C. Maddison et al., arXiv:1809.05042.
#pragma once

#include <cmath>
#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::geometry {

template <class T>
class Relativistic final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "relativistic",
                                      .equation = "sqrt(epsilon^2 + ||P||_F^2) - epsilon",
                                      .cite = "arXiv:1809.05042",
                                      .convex = true,
                                      .smooth = true,
                                      .bounded_gradient = true,
                                      .orthogonally_invariant = true,
                                      .step = "h epsilon (1 - sqrt(1 - ||W' - W||_F^2/h^2))"};
  struct Options {
    double epsilon = 1;
    void fields(FieldVisitor& v) {
      v.real("epsilon", epsilon, kPositive,
             "norm at which the energy turns from quadratic to linear");
    }
  };
  explicit Relativistic(const Options& options = {}) : epsilon_(options.epsilon) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>&) const override {
    return value_of(linalg::frobenius_norm<T>(p));
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return value_and_gradient(p, workspace).outcome;
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p, linalg::Workspace<T>&) const override {
    if (!linalg::all_finite<T>(p)) {
      return {.outcome = {.status = Status::non_finite_input, .changed = false}};
    }
    const double norm = linalg::frobenius_norm<T>(p);
    const double root = std::hypot(epsilon_, norm);
    p /= static_cast<T>(root);
    return {.outcome = {}, .value = value_of(norm), .pairing = norm * (norm / root)};
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>&) const override {
    const double norm = linalg::frobenius_norm<T>(x);
    if (std::isnan(norm)) return norm;
    if (!detail::in_unit_ball<T>(norm, x)) return std::numeric_limits<double>::infinity();
    const double inside = std::min(1.0, norm);
    // 1 - sqrt(1 - x^2) without cancellation.
    return epsilon_ * inside * inside / (1 + std::sqrt((1 - inside) * (1 + inside)));
  }
  std::optional<double> hessian_bound() const override { return 1 / epsilon_; }

 private:
  // The root less epsilon, without cancellation.
  double value_of(double norm) const {
    return norm * (norm / (std::hypot(epsilon_, norm) + epsilon_));
  }

  double epsilon_;
};

inline const Enrolled<Relativistic> kRelativisticEnrolled;

}  // namespace muonflow::geometry
