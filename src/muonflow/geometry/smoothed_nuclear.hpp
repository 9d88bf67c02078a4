// The smoothed nuclear norm: the kinetic energy of regularized Muon, a pseudo-Huber function of
// every singular value (arXiv:2605.23871).
//
//   Phi(P)  = sum_i sqrt(s_i^2 + epsilon^2) - epsilon            min(m, n) terms, so Phi(0) = 0
//   grad    = (P P^T + epsilon^2 I)^(-1/2) P                     s -> s / sqrt(s^2 + epsilon^2)
//   Phi*(X) = epsilon sum_i 1 - sqrt(1 - x_i^2)                  ||X||_op <= 1, else infinity
//   Hessian <= 1 / epsilon, and >= epsilon^2 / (K^2 + epsilon^2)^(3/2) on ||P||_op <= K
#pragma once

#include <array>
#include <string_view>

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/regularized_polar.hpp"

namespace muonflow::geometry {

// Which kernel serves a batch of matrices.
enum class BatchKernel { automatic, reference };

namespace smoothed_nuclear {

// d <- d (d^T d + epsilon^2 I)^(-1/2), exact to the dtype: the one call that the rule and the flow
// share.
template <class T>
Outcome steepest(MatrixRef<T> d, double epsilon, linalg::Workspace<T>& workspace) {
  return linalg::regularized_polar<T>(d, epsilon, workspace);
}

}  // namespace smoothed_nuclear

template <class T>
class SmoothedNuclear final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{
      .name = "smoothed_nuclear",
      .equation = "sum_i sqrt(s_i^2 + epsilon^2) - epsilon",
      .cite = "arXiv:2605.23871",
      .convex = true,
      .smooth = true,
      .bounded_gradient = true,
      .orthogonally_invariant = true,
      .step = "h epsilon sum_i 1 - sqrt(1 - x_i^2), x the singular values of (W' - W)/h"};
  struct Options {
    double epsilon = 1e-2;
    BatchKernel kernel = BatchKernel::automatic;
    void fields(FieldVisitor& v) {
      v.real("epsilon", epsilon, kPositive, "where the nuclear norm turns quadratic, absolute");
      v.choice("kernel", kernel,
               "how many particles are computed: automatic takes matrices up to 32x64 sixteen at a "
               "time, reference one by one as the rule regularized_muon does");
    }
  };
  explicit SmoothedNuclear(const Options& options = {}) : options_(options) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const override;
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return smoothed_nuclear::steepest<T>(p, options_.epsilon, workspace);
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override;
  Outcome values_and_gradients(const Batch<T>& p, std::span<double> values,
                               std::span<double> pairings,
                               linalg::Workspace<T>& workspace) const override;
  void scaled_values(const ConstMatrixRef<T>& p, std::span<const double> scales,
                     std::span<double> values, linalg::Workspace<T>& workspace) const override;
  void scaled_values_of(const linalg::MatrixRun<T>& p, std::span<const double> scales,
                        std::span<double> values, linalg::Workspace<T>& workspace) const override;
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override;
  std::optional<double> hessian_bound() const override { return 1 / options_.epsilon; }
  double strong_convexity(double radius) const override;

 private:
  Options options_;
};

extern template class SmoothedNuclear<float>;
extern template class SmoothedNuclear<double>;

inline const Enrolled<SmoothedNuclear> kSmoothedNuclearEnrolled;

}  // namespace muonflow::geometry

namespace muonflow {
template <>
struct EnumNames<geometry::BatchKernel> {
  static constexpr std::array<std::string_view, 2> names{"automatic", "reference"};
};
}  // namespace muonflow
