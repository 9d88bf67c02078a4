#include "muonflow/flow/risk.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::flow {
namespace {

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double log_sum_exp(std::span<const double> u) {
  const double most = *std::max_element(u.begin(), u.end());
  double sum = 0;
  for (const double x : u) sum += std::exp(x - most);
  return most + std::log(sum);
}

// Targets that float files hold sum to 1 within their rounding.
constexpr double kProbabilityTolerance = 1e-5;

}  // namespace

Risk::Risk(RiskKind kind, std::vector<double> targets, const std::string& place, RiskForm form)
    : kind_(kind), targets_(std::move(targets)), form_(form) {
  if (kind_ == RiskKind::cross_entropy && form_.classes < 2) {
    throw ConfigError({.place = place,
                       .what = "risk cross_entropy needs an objective whose features are classes",
                       .advice = "use squared, logistic or linear"});
  }
  const auto name = [&](std::size_t k) { return place + ", y[" + std::to_string(k) + "]"; };
  for (std::size_t k = 0; k < targets_.size(); ++k) {
    const double y = targets_[k];
    if (!std::isfinite(y)) {
      throw DataError({.place = name(k), .expected = "finite numbers", .found = shortest(y)});
    }
    if (kind_ == RiskKind::logistic && std::abs(y) != 1) {
      throw DataError({.place = name(k),
                       .expected = "a label 1 or -1 for the logistic risk",
                       .found = shortest(y)});
    }
  }
  if (kind_ != RiskKind::cross_entropy) return;
  const auto classes = static_cast<std::size_t>(form_.classes);
  for (std::size_t s = 0; s < samples(); ++s) {
    double sum = 0, least = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      sum += targets_[s * classes + k];
      least = std::min(least, targets_[s * classes + k]);
    }
    if (least < 0 || std::abs(sum - 1) > kProbabilityTolerance) {
      throw DataError({.place = place + ", row " + std::to_string(s) + " of y",
                       .expected = "probabilities, for the cross_entropy risk",
                       .found = least < 0 ? shortest(least) : "a sum of " + shortest(sum)});
    }
  }
}

std::vector<double> Risk::quotient(std::span<const double> z) const {
  const auto classes = static_cast<std::size_t>(form_.classes);
  std::vector<double> u(targets_.size());
  for (std::size_t s = 0; s < samples(); ++s) {
    for (std::size_t k = 0; k < classes; ++k) {
      u[s * classes + k] = z[s * classes + k] / z[u.size() + s];
    }
  }
  return u;
}

double Risk::value(std::span<const double> z) const {
  return form_.quotient ? plain_value(quotient(z)) : plain_value(z);
}

void Risk::gradient(std::span<const double> z, std::span<double> gradient) const {
  if (!form_.quotient) return plain_gradient(z, gradient);
  const auto u = quotient(z);
  plain_gradient(u, gradient.first(u.size()));
  const auto classes = static_cast<std::size_t>(form_.classes);
  for (std::size_t s = 0; s < samples(); ++s) {
    const double over = 1 / z[u.size() + s];
    double sum = 0;
    for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) {
      sum += gradient[k] * u[k];
      gradient[k] *= over;  // du/dnumerator = 1 / denominator
    }
    gradient[u.size() + s] = -sum * over;  // du/ddenominator = -u / denominator
  }
}

double Risk::plain_value(std::span<const double> u) const {
  double sum = 0;
  if (kind_ == RiskKind::cross_entropy) {
    const auto classes = static_cast<std::size_t>(form_.classes);
    for (std::size_t s = 0; s < samples(); ++s) {
      const double lse = log_sum_exp(u.subspan(s * classes, classes));
      for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) {
        if (targets_[k] != 0) sum += targets_[k] * (lse - u[k]);
      }
    }
    return form_.weight * sum;
  }
  for (std::size_t k = 0; k < u.size(); ++k) {
    const double y = targets_[k];
    switch (kind_) {
      case RiskKind::squared:
        sum += 0.5 * (u[k] - y) * (u[k] - y);
        break;
      case RiskKind::logistic:
        sum += softplus(-y * u[k]);
        break;
      case RiskKind::linear:
      case RiskKind::cross_entropy:
        sum += y * u[k];
        break;
    }
  }
  return form_.weight * sum;
}

void Risk::plain_gradient(std::span<const double> u, std::span<double> gradient) const {
  const double w = form_.weight;
  if (kind_ == RiskKind::cross_entropy) {
    const auto classes = static_cast<std::size_t>(form_.classes);
    for (std::size_t s = 0; s < samples(); ++s) {
      const double lse = log_sum_exp(u.subspan(s * classes, classes));
      double mass = 0;
      for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) mass += targets_[k];
      for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) {
        gradient[k] = w * (mass * std::exp(u[k] - lse) - targets_[k]);
      }
    }
    return;
  }
  for (std::size_t k = 0; k < u.size(); ++k) {
    const double y = targets_[k];
    switch (kind_) {
      case RiskKind::squared:
        gradient[k] = w * (u[k] - y);
        break;
      case RiskKind::logistic:
        gradient[k] = -w * y / (1 + std::exp(y * u[k]));
        break;
      case RiskKind::linear:
      case RiskKind::cross_entropy:
        gradient[k] = w * y;
        break;
    }
  }
}

std::optional<double> Risk::infimum() const {
  if (kind_ == RiskKind::linear) return std::nullopt;
  double sum = 0;
  if (kind_ == RiskKind::cross_entropy) {
    const auto classes = static_cast<std::size_t>(form_.classes);
    for (std::size_t s = 0; s < samples(); ++s) {
      double mass = 0;
      for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) mass += targets_[k];
      for (std::size_t k = s * classes; k < (s + 1) * classes; ++k) {
        if (targets_[k] > 0) sum -= targets_[k] * std::log(targets_[k] / mass);
      }
    }
  }
  return form_.weight * sum;
}

std::optional<double> Risk::curvature() const {
  if (form_.quotient) return std::nullopt;
  switch (kind_) {
    case RiskKind::squared:
      return form_.weight;
    case RiskKind::logistic:
      return form_.weight / 4;
    case RiskKind::cross_entropy:  // of diag(p) - p p^T, whose norm is at most 1/2
      return form_.weight / 2;
    case RiskKind::linear:
      break;
  }
  return 0;
}

std::optional<double> Risk::slope(std::optional<double> largest) const {
  if (form_.quotient || (kind_ == RiskKind::squared && !largest)) return std::nullopt;
  double squares = 0;
  for (const double y : targets_) {
    double most = 1;  // logistic
    if (kind_ == RiskKind::squared) most = *largest + std::abs(y);
    if (kind_ == RiskKind::linear) most = std::abs(y);
    squares += most * most;
  }
  // |p - y|^2 <= 2 for two probabilities, row by row.
  if (kind_ == RiskKind::cross_entropy) squares = 2 * static_cast<double>(samples());
  return form_.weight * std::sqrt(squares);
}

}  // namespace muonflow::flow
