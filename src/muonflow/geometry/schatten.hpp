// A power of a Schatten norm: between the nuclear norm (q near 1) and the Frobenius norm (q = 2),
// and beyond it towards the operator norm.
//
//   Phi(P) = (1/q) sum_i s_i^q, q > 1      grad = U diag(s^(q-1)) V^T
//   Phi*(X) = (1/p) sum_i x_i^p, 1/p + 1/q = 1
//   Hessian: q < 2 unbounded at 0, at least (q - 1) K^(q-2) on ||P||_op <= K; q = 2 identity;
//   q > 2 unbounded at infinity and 0 at 0
// In the gradient the exponent is that of Freon, c = 1 - q/2 without normalization ("Muon is not
// that special", arXiv:2605.11181); its quasi-norms, q < 1, are schatten_quasi.
#pragma once

#include <cmath>

#include "muonflow/geometry/detail/spectral_potential.hpp"

namespace muonflow::geometry {

template <class T>
class Schatten final : public detail::SpectralPotential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "schatten",
                                      .equation = "1/q sum_i s_i^q, q > 1",
                                      .cite = "arXiv:2605.11181",
                                      .convex = true,
                                      .smooth = false,
                                      .bounded_gradient = false,
                                      .orthogonally_invariant = true,
                                      .step =
                                          "h/p sum_i x_i^p, 1/p + 1/q = 1, x the singular "
                                          "values of (W' - W)/h"};
  struct Options {
    double q = 1.5;
    void fields(FieldVisitor& v) {
      v.real("q", q, {.lo = 1, .lo_open = true}, "exponent; 2 is frobenius, towards 1 nuclear");
    }
  };
  explicit Schatten(const Options& options = {}) : q_(options.q) {}

  const GeometryInfo& info() const override { return kInfo; }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override {
    const double p = q_ / (q_ - 1);
    return detail::spectral_sum<T>(x, workspace, [p](double s) { return std::pow(s, p) / p; });
  }
  std::optional<double> hessian_bound() const override {
    return q_ == 2 ? std::optional(1.0) : std::nullopt;
  }
  double strong_convexity(double radius) const override {
    return q_ <= 2 ? (q_ - 1) * std::pow(radius, q_ - 2) : 0;
  }

 protected:
  double phi(double s) const override { return std::pow(s, q_) / q_; }
  double slope(double s) const override { return std::pow(s, q_ - 1); }

 private:
  double q_;
};

inline const Enrolled<Schatten> kSchattenEnrolled;

}  // namespace muonflow::geometry
