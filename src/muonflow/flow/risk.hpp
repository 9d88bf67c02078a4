// R of the objective J(rho) = R(int F d rho): what is made of the averaged features z in R^q.
//
//   squared        R(z) = w sum_k 1/2 (z_k - y_k)^2
//   logistic       R(z) = w sum_k log(1 + exp(-y_k z_k)), labels y_k = 1 or -1
//   cross_entropy  R(z) = w sum_s sum_k y_sk (log sum_l exp(z_sl) - z_sk), z and y in
//                  R^{samples x classes} by rows, every row of y a probability
//   linear         R(z) = w sum_k y_k z_k
// Sums with the weight w of the form: 1 where the features are no samples (the examples of
// arXiv 2605.23871 have no 1/q), 1/samples where they are the values of a function on a data set,
// so that J is a mean over the data.
//
// As a quotient, z = (numerators [samples, classes], denominators [samples]), and the risk is that
// of u_sk = z_sk / denominator_s: the softmax gate of a mixture of experts.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::flow {

enum class RiskKind { squared, logistic, cross_entropy, linear };

struct RiskForm {
  std::int64_t classes = 1;  // targets are [samples, classes] by rows
  double weight = 1;         // w
  bool quotient = false;
};

class Risk {
 public:
  // Throws ConfigError for cross_entropy over fewer than two classes, DataError for logistic labels
  // other than 1 and -1, rows of cross_entropy that are no probabilities (to 1e-5), targets that
  // are not finite; messages begin with `place`.
  Risk(RiskKind kind, std::vector<double> targets, const std::string& place, RiskForm form = {});

  RiskKind kind() const { return kind_; }
  const RiskForm& form() const { return form_; }
  std::span<const double> targets() const { return targets_; }  // y
  std::size_t samples() const { return targets_.size() / static_cast<std::size_t>(form_.classes); }
  // Numbers in z: those of y, and as a quotient one more for each sample.
  std::size_t features() const { return targets_.size() + (form_.quotient ? samples() : 0); }
  double value(std::span<const double> z) const;
  // gradient <- dR/dz; both [features()].
  void gradient(std::span<const double> z, std::span<double> gradient) const;
  // inf over all z (for cross_entropy the entropy of the targets); none for linear.
  std::optional<double> infimum() const;
  // The largest curvature anywhere: of squared w, of logistic w/4, of cross_entropy w/2, of linear
  // 0; none as a quotient.
  std::optional<double> curvature() const;
  // A bound of |grad R(z)| where |z_k| <= largest for all k; none as a quotient, and where a
  // largest value is needed and none is given.
  std::optional<double> slope(std::optional<double> largest) const;

 private:
  double plain_value(std::span<const double> u) const;
  void plain_gradient(std::span<const double> u, std::span<double> gradient) const;
  // u of a quotient.
  std::vector<double> quotient(std::span<const double> z) const;

  RiskKind kind_;
  std::vector<double> targets_;
  RiskForm form_;
};

}  // namespace muonflow::flow

namespace muonflow {
template <>
struct EnumNames<flow::RiskKind> {
  static constexpr std::array<std::string_view, 4> names{"squared", "logistic", "cross_entropy",
                                                         "linear"};
};
}  // namespace muonflow
