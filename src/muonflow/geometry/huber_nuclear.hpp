// The Moreau envelope of the nuclear norm, a Huber function of every singular value: Muon with
// singular values clipped at a threshold instead of all made equal.
//
//   Phi(P) = min_Z ||Z||_* + 1/(2 delta) ||P - Z||_F^2 = sum_i h(s_i),
//            h(s) = s^2/(2 delta) up to delta, s - delta/2 beyond
//   grad   = U diag(min(s/delta, 1)) V^T         P/delta projected onto the operator-norm ball
//   Phi*(X) = delta/2 ||X||_F^2 if ||X||_op <= 1, else infinity
//   Hessian <= 1/delta, reached for ||P||_op <= delta; 0 in directions beyond
// J. Moreau 1965.
#pragma once

#include "muonflow/geometry/detail/spectral_potential.hpp"
#include "muonflow/geometry/detail/unit_ball.hpp"

namespace muonflow::geometry {

template <class T>
class HuberNuclear final : public detail::SpectralPotential<T> {
 public:
  static constexpr GeometryInfo kInfo{
      .name = "huber_nuclear",
      .equation = "sum_i s_i^2/(2 delta) up to delta, s_i - delta/2 beyond",
      .cite = "J. Moreau 1965",
      .convex = true,
      .smooth = true,
      .bounded_gradient = true,
      .orthogonally_invariant = true,
      .step = "delta/(2 h) ||W' - W||_F^2, over ||W' - W||_op <= h"};
  struct Options {
    double delta = 1e-2;
    void fields(FieldVisitor& v) {
      v.real("delta", delta, kPositive, "singular values beyond it are clipped, absolute");
    }
  };
  explicit HuberNuclear(const Options& options = {}) : delta_(options.delta) {}

  const GeometryInfo& info() const override { return kInfo; }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override {
    double largest = 0;
    const double squares = detail::spectral_sum<T>(x, workspace, [&](double s) {
      largest = std::max(largest, s);
      return s * s;
    });
    return detail::in_unit_ball<T>(largest, x) ? delta_ / 2 * squares
                                               : std::numeric_limits<double>::infinity();
  }
  std::optional<double> hessian_bound() const override { return 1 / delta_; }
  double strong_convexity(double radius) const override {
    return radius <= delta_ ? 1 / delta_ : 0;
  }

 protected:
  double phi(double s) const override {
    return s <= delta_ ? s * s / (2 * delta_) : s - delta_ / 2;
  }
  double slope(double s) const override { return s <= delta_ ? s / delta_ : 1; }

 private:
  double delta_;
};

inline const Enrolled<HuberNuclear> kHuberNuclearEnrolled;

}  // namespace muonflow::geometry
