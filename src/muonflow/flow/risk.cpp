#include "muonflow/flow/risk.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::flow {
namespace {

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace

Risk::Risk(RiskKind kind, std::vector<double> targets, const std::string& place)
    : kind_(kind), targets_(std::move(targets)) {
  if (kind_ == RiskKind::cross_entropy) {
    throw ConfigError({.place = place,
                       .what = "risk cross_entropy needs an objective whose features are classes",
                       .advice = "use squared, logistic or linear"});
  }
  for (std::size_t k = 0; k < targets_.size(); ++k) {
    const double y = targets_[k];
    if (!std::isfinite(y)) {
      throw DataError({.place = place + ", y[" + std::to_string(k) + "]",
                       .expected = "finite numbers",
                       .found = shortest(y)});
    }
    if (kind_ == RiskKind::logistic && std::abs(y) != 1) {
      throw DataError({.place = place + ", y[" + std::to_string(k) + "]",
                       .expected = "a label 1 or -1 for the logistic risk",
                       .found = shortest(y)});
    }
  }
}

double Risk::value(std::span<const double> z) const {
  double sum = 0;
  for (std::size_t k = 0; k < z.size(); ++k) {
    const double y = targets_[k];
    switch (kind_) {
      case RiskKind::squared:
        sum += 0.5 * (z[k] - y) * (z[k] - y);
        break;
      case RiskKind::logistic:
        sum += softplus(-y * z[k]);
        break;
      case RiskKind::linear:
      case RiskKind::cross_entropy:
        sum += y * z[k];
        break;
    }
  }
  return sum;
}

void Risk::gradient(std::span<const double> z, std::span<double> gradient) const {
  for (std::size_t k = 0; k < z.size(); ++k) {
    const double y = targets_[k];
    switch (kind_) {
      case RiskKind::squared:
        gradient[k] = z[k] - y;
        break;
      case RiskKind::logistic:
        gradient[k] = -y / (1 + std::exp(y * z[k]));
        break;
      case RiskKind::linear:
      case RiskKind::cross_entropy:
        gradient[k] = y;
        break;
    }
  }
}

}  // namespace muonflow::flow
