// R of the objective J(rho) = R(int F d rho): what is made of the averaged features z in R^q.
//
//   squared        R(z) = 1/2 sum_k (z_k - y_k)^2
//   logistic       R(z) = sum_k log(1 + exp(-y_k z_k)), labels y_k = 1 or -1
//   linear         R(z) = sum_k y_k z_k
//   cross_entropy  for objectives whose features are scores of classes
// Sums, not means: the squared risk of arXiv 2605.23871's examples has no 1/q.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::flow {

enum class RiskKind { squared, logistic, cross_entropy, linear };

class Risk {
 public:
  // Throws ConfigError for cross_entropy (no objective of this form has classes), DataError for
  // logistic labels other than 1 and -1 or targets that are not finite; messages begin with
  // `place`.
  Risk(RiskKind kind, std::vector<double> targets, const std::string& place);

  RiskKind kind() const { return kind_; }
  std::span<const double> targets() const { return targets_; }  // y [q]
  double value(std::span<const double> z) const;
  // gradient <- dR/dz; both [q].
  void gradient(std::span<const double> z, std::span<double> gradient) const;

 private:
  RiskKind kind_;
  std::vector<double> targets_;
};

}  // namespace muonflow::flow

namespace muonflow {
template <>
struct EnumNames<flow::RiskKind> {
  static constexpr std::array<std::string_view, 4> names{"squared", "logistic", "cross_entropy",
                                                         "linear"};
};
}  // namespace muonflow
