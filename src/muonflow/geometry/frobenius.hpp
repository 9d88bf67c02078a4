// Half the squared Frobenius norm: the kinetic energy of SGD with momentum.
//
//   Phi(P) = 1/2 ||P||_F^2     grad Phi(P) = P     Phi*(X) = 1/2 ||X||_F^2     Hessian = I
#pragma once

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::geometry {

template <class T>
class Frobenius final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "frobenius",
                                      .equation = "1/2 ||P||_F^2",
                                      .cite = "B. Polyak 1964 (the heavy ball)",
                                      .convex = true,
                                      .smooth = true,
                                      .bounded_gradient = false,
                                      .orthogonally_invariant = true,
                                      .step = "1/(2 h) ||W' - W||_F^2"};
  struct Options {
    void fields(FieldVisitor&) {}
  };
  explicit Frobenius(const Options& = {}) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>&) const override {
    const double norm = linalg::frobenius_norm<T>(p);
    return norm * norm / 2;
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>&) const override {
    if (!linalg::all_finite<T>(p)) return {.status = Status::non_finite_input, .changed = false};
    return {};
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override {
    const Outcome outcome = gradient(p, workspace);
    if (!outcome.ok()) return {.outcome = outcome};
    const double half = value(p, workspace);
    return {.outcome = outcome, .value = half, .pairing = 2 * half};
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override {
    return value(x, workspace);
  }
  std::optional<double> hessian_bound() const override { return 1; }
  double strong_convexity(double) const override { return 1; }
};

inline const Enrolled<Frobenius> kFrobeniusEnrolled;

}  // namespace muonflow::geometry
