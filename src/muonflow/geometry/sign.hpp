// The sum of absolute entries: the kinetic energy of signed momentum (Signum, Lion).
//
//   Phi(P) = sum |P_ij|     grad Phi(P) = sign(P), sign(0) = 0     Phi*(X) = 0 if max |X_ij| <= 1
//
// Not smooth and not orthogonally invariant. J. Bernstein et al., arXiv:1802.04434.
#pragma once

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/elementwise/apply.hpp"

namespace muonflow::geometry {

namespace sign {

// d <- sign(d), entry by entry.
template <class T>
Outcome steepest(MatrixRef<T> d) {
  if (!linalg::to_signs<T>(d)) return {.status = Status::non_finite_input, .changed = false};
  return {};
}

}  // namespace sign

template <class T>
class Sign final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "sign",
                                      .equation = "sum_ij |P_ij|",
                                      .cite = "arXiv:1802.04434",
                                      .convex = true,
                                      .smooth = false,
                                      .bounded_gradient = true,
                                      .orthogonally_invariant = false,
                                      .step = "nothing more, over max |W' - W| <= h"};
  struct Options {
    void fields(FieldVisitor&) {}
  };
  explicit Sign(const Options& = {}) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>&) const override {
    return linalg::absolute_sum<T>(p);
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>&) const override {
    return sign::steepest<T>(p);
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override {
    const double sum = value(p, workspace);  // also <P, sign(P)>, term by term
    const Outcome outcome = gradient(p, workspace);
    if (!outcome.ok()) return {.outcome = outcome};
    return {.outcome = outcome, .value = sum, .pairing = sum};
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override;
};

extern template class Sign<float>;
extern template class Sign<double>;

inline const Enrolled<Sign> kSignEnrolled;

}  // namespace muonflow::geometry
