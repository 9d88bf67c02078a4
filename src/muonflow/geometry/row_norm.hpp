// The sum of the norms of the rows: every output's momentum is a unit of its own, the kinetic
// energy of row-normalized momentum.
//
//   Phi(P) = sum_i |P_i|     grad = P_i / |P_i|, 0 for a row of zeros
//   Phi*(X) = 0 if max |X_i| <= 1, else infinity
// Not smooth; invariant under P -> P V^T alone. T. Pethick et al., arXiv:2502.07529.
#pragma once

#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::geometry {

template <class T>
class RowNorm final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "row_norm",
                                      .equation = "sum_i |P_i|, rows",
                                      .cite = "arXiv:2502.07529",
                                      .convex = true,
                                      .smooth = false,
                                      .bounded_gradient = true,
                                      .orthogonally_invariant = false,
                                      .transpose_invariant = false,
                                      .step = "nothing more, over max_i |W'_i - W_i| <= h"};
  struct Options {
    void fields(FieldVisitor&) {}
  };
  explicit RowNorm(const Options& = {}) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const override {
    if (!linalg::all_finite<T>(p)) return std::numeric_limits<double>::quiet_NaN();
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto norms = frame.template matrix<double>(p.rows(), 1);
    linalg::row_norms<T>(p, norms);
    double sum = 0;
    for (Index i = 0; i < p.rows(); ++i) sum += norms(i, 0);
    return sum;
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>&) const override {
    if (!linalg::all_finite<T>(p)) return {.status = Status::non_finite_input, .changed = false};
    linalg::divide_rows<T>(p, 1, 0);
    return {};
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override {
    const double sum = value(p, workspace);  // also <P, grad>, row by row
    const Outcome outcome = gradient(p, workspace);
    if (!outcome.ok()) return {.outcome = outcome};
    return {.outcome = outcome, .value = sum, .pairing = sum};
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override {
    if (!linalg::all_finite<T>(x)) return std::numeric_limits<double>::quiet_NaN();
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto norms = frame.template matrix<double>(x.rows(), 1);
    linalg::row_norms<T>(x, norms);
    return detail::in_unit_ball<T>(norms.maxCoeff(), x) ? 0
                                                        : std::numeric_limits<double>::infinity();
  }
};

inline const Enrolled<RowNorm> kRowNormEnrolled;

}  // namespace muonflow::geometry
