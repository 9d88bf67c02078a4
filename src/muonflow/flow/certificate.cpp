#include "muonflow/flow/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

namespace muonflow::flow {
namespace {

constexpr double kRoundoff = 1e-13;  // of the first gap: below it a gap is rounding
constexpr double kLeastTheta = 0.01;

bool moving(const CertificateSample& s) { return s.momentum2 > 0; }

CertificateConstants constants_of(std::span<const CertificateSample> samples, bool inertial) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CertificateConstants k{.lambda = kInfinity, .pull = kInfinity, .floor = kInfinity};
  k.share = 0;
  k.alignment = kInfinity;
  double most_pull = 0;
  for (const auto& s : samples) {
    k.K = std::max(k.K, s.momentum_op_norm);
    k.lambda = std::min(k.lambda, s.force2 / (2 * s.gap));
    k.smoothness = std::max(k.smoothness, s.force2 / (2 * s.gap));
    if (s.force2 > 0) k.alignment = std::min(k.alignment, s.force_velocity / s.force2);
    if (s.velocity2 > 0) {
      k.curvature = std::max(k.curvature, s.turning_norm / std::sqrt(s.velocity2));
    }
    if (!inertial || !moving(s)) continue;
    k.turning = std::max(k.turning, -s.turning / s.momentum2);
    k.pull = std::min(k.pull, s.dissipation / s.momentum2);
    most_pull = std::max(most_pull, s.dissipation / s.momentum2);
    k.floor = std::min(k.floor, 2 * s.potential / s.momentum2);
    k.ceiling = std::max(k.ceiling, 2 * s.potential / s.momentum2);
    k.reach = std::max(k.reach, std::sqrt(s.velocity2 / s.momentum2));
    k.share = std::max(k.share, s.potential / s.dissipation);
  }
  if (!inertial) {
    k.pull = k.floor = 0;
    return k;
  }
  k.lean = (k.pull + most_pull) / 2;
  for (const auto& s : samples) {
    if (!moving(s)) continue;
    const double rest = s.velocity2 - 2 * k.lean * s.dissipation + k.lean * k.lean * s.momentum2;
    k.spread = std::max(k.spread, std::sqrt(std::max(0.0, rest) / s.momentum2));
  }
  return k;
}

// The largest kappa-margin of the inequality for one c and delta: the determinant, where both
// diagonal entries are not negative; negative where there is none. Convex in kappa.
double margin(const CertificateConstants& k, double gamma, double c, double delta,
              double& best_kappa) {
  const double first = (gamma - c * k.share) * k.pull - delta * k.turning;
  const double positive =
      delta * delta * k.smoothness / ((1 - kLeastTheta) * (1 - kLeastTheta) * k.floor);
  double low = positive;
  double high = c > 0 ? 2 * k.lambda * delta * gamma / c : positive + 4 * gamma + delta * gamma;
  if (first < 0 || low > high) return -1;
  const auto determinant = [&](double kappa) {
    const double beta = (std::abs((gamma - kappa) * k.lean + delta * (gamma - c)) +
                         std::abs(gamma - kappa) * k.spread) /
                        2;
    return first * (delta * gamma - c * kappa / (2 * k.lambda)) - beta * beta;
  };
  for (int i = 0; i < 80; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    if (determinant(a) < determinant(b)) {
      low = a;
    } else {
      high = b;
    }
  }
  best_kappa = (low + high) / 2;
  return determinant(best_kappa);
}

// The weights with the largest margin for one c; delta by a coarse search and thirds.
double best_margin(const CertificateConstants& k, double gamma, double c, LyapunovWeights& best) {
  double most = std::numeric_limits<double>::infinity();
  if (k.turning > 0) most = (gamma - c * k.share) * k.pull / k.turning;
  if (c > 0) most = std::min(most, 2 * k.lambda * gamma * k.floor / (c * k.smoothness));
  if (!std::isfinite(most)) most = 1e3 * std::sqrt(gamma * k.floor / k.smoothness);
  if (!(most > 0)) return -1;
  double found = -1, at = 0, kappa = 0;
  const auto consider = [&](double delta) {
    double here = 0;
    const double value = margin(k, gamma, c, delta, here);
    if (value > found) found = value, at = delta, kappa = here;
    return value;
  };
  constexpr int kCoarse = 96;
  for (int i = 0; i <= kCoarse; ++i) {
    consider(most * std::pow(1e-6, 1 - static_cast<double>(i) / kCoarse));
    consider(most * static_cast<double>(i + 1) / (kCoarse + 1));
  }
  double width = 0.15 * at;
  for (int i = 0; i < 60; ++i, width *= 0.8) {
    const double center = at;
    consider(center - width);
    consider(std::min(most, center + width));
  }
  best.rate = c;
  best.kappa = kappa;
  best.delta = at;
  return found;
}

// papers' weights: kappa = gamma and the least of three deltas, with its own rate.
double textbook_rate(const CertificateConstants& k, double gamma) {
  const double a = std::min(k.pull, k.floor);
  const double delta =
      std::min({gamma * a / 2 / (gamma / 2 + k.turning), gamma / (2 * k.smoothness), a / 2});
  return std::min(delta * gamma * k.lambda / (gamma + delta * k.smoothness),
                  gamma * a / 2 / (k.ceiling / 2 + delta / 2));
}

CertifiedRate certified(std::span<const CertificateSample> samples,
                        const CertificateSetting& setting) {
  CertifiedRate result{.from = samples.front().time, .to = samples.back().time, .constants = {}};
  auto& k = result.constants;
  k = constants_of(samples, setting.inertial);
  if (k.alignment > 0) result.alignment_rate = 2 * k.lambda * k.alignment;
  if (!setting.inertial) {
    result.kappa = result.theta = 1;
    result.rate = result.textbook_rate = result.alignment_rate.value_or(0);
    return result;
  }
  const auto best = best_weights(k, setting.gamma);
  result.kappa = best.kappa;
  result.delta = best.delta;
  result.theta = best.theta;
  result.rate = best.rate;
  result.textbook_rate = textbook_rate(k, setting.gamma);
  return result;
}

double lyapunov(const CertifiedRate& c, const CertificateSample& s) {
  return c.kappa * s.gap + s.potential - c.delta * s.force_momentum;
}

double lyapunov_slope(const CertifiedRate& c, const CertificateSample& s,
                      const CertificateSetting& setting) {
  if (!setting.inertial) return -s.force_velocity;
  return (setting.gamma - c.kappa) * s.force_velocity - setting.gamma * s.dissipation -
         c.delta * (s.turning + setting.gamma * s.force2 - setting.gamma * s.force_momentum);
}

std::string failing_of(const CertificateConstants& k, const CertificateSample& s, bool inertial) {
  constexpr double kSlack = 1e-9;  // the extremes themselves hold
  std::string names;
  const auto require = [&](bool holds, const char* name) {
    if (!holds && names.find(name) == std::string::npos) {
      names += (names.empty() ? "" : " ") + std::string(name);
    }
  };
  require(s.force2 >= 2 * k.lambda * s.gap * (1 - kSlack), "H1");
  if (!inertial) {
    require(s.force_velocity >= k.alignment * s.force2 * (1 - kSlack), "alignment");
    return names;
  }
  if (moving(s)) {
    require(s.dissipation >= k.pull * s.momentum2 * (1 - kSlack), "H2");
    require(2 * s.potential >= k.floor * s.momentum2 * (1 - kSlack), "H2");
    require(s.potential <= k.share * s.dissipation * (1 + kSlack), "H2");
    const double rest = s.velocity2 - 2 * k.lean * s.dissipation + k.lean * k.lean * s.momentum2;
    require(rest <= k.spread * k.spread * s.momentum2 + kSlack * s.velocity2, "H2");
    require(-s.turning <= k.turning * s.momentum2 * (1 + kSlack), "H3");
  }
  require(s.force2 <= 2 * k.smoothness * s.gap * (1 + kSlack), "H3");
  return names;
}

void list_records(std::span<const CertificateSample> samples, const CertificateSetting& setting,
                  Certificate& certificate) {
  const auto& c = *certificate.tail;
  for (const auto& s : samples) {
    CertificateRecord r{.step = s.step, .time = s.time, .lyapunov = lyapunov(c, s)};
    r.derivative = -lyapunov_slope(c, s, setting) / r.lyapunov;
    r.failing = failing_of(c.constants, s, setting.inertial);
    r.assumptions = r.failing.empty();
    if (!certificate.records.empty()) {
      const auto& before = certificate.records.back();
      r.decay = std::log(before.lyapunov / r.lyapunov) / (r.time - before.time);
      // Rounding of the gap, which is a difference of values of J.
      const double noise = 1e-9 / (r.time - before.time) + 1e-6 * c.rate;
      r.decreased = r.decay >= c.rate - noise;
      certificate.violations += r.assumptions && before.assumptions && !r.decreased;
    }
    certificate.records.push_back(std::move(r));
  }
}

double spectral_radius(double gamma, double h, double curvature) {
  // z^2 - (2 - gamma h - gamma h^2 curvature) z + (1 - gamma h) = 0.
  const double half = (2 - gamma * h - gamma * h * h * curvature) / 2;
  const auto root = std::sqrt(std::complex<double>(half * half - (1 - gamma * h)));
  return std::max(std::abs(half + root), std::abs(half - root));
}

DiscreteRate discrete_rate(const CertifiedRate& c, const CertificateSetting& setting,
                           double lambda) {
  auto k = c.constants;
  // The Lipschitz constant of grad Phi, since velocities at two momenta are compared.
  const double gamma = setting.gamma, h = setting.step, b = *setting.hessian_bound, L = k.curvature;
  k.turning = std::max(k.turning, L * b);
  const auto w = best_weights(k, gamma);
  DiscreteRate d{.rate = w.rate};
  const double along = b * L;
  if (along > 0) {
    d.stable_step = (std::sqrt(gamma * gamma + 4 * gamma * along) - gamma) / (gamma * along);
  }
  if (h > 0) d.local_rate = -2 * std::log(spectral_radius(gamma, h, lambda * b)) / h;
  if (!(w.rate > 0)) return d;
  // Second-order terms of L_{k+1} - L_k over (g + X)^2 <= 2 (g^2 + X^2); gamma h <= 1.
  const double terms = w.kappa * b * gamma + w.kappa * L * b * b / 2 + b * gamma * gamma / 2 +
                       3 * w.delta * L * b * gamma;
  d.defect = 2 * terms * (2 * k.smoothness / (w.theta * w.kappa) + 2 / (w.theta * k.floor));
  d.admissible_step = std::min(w.rate / (2 * d.defect), 1 / gamma);
  if (h > 0 && h <= d.admissible_step) d.rate_at_step = w.rate / 2;
  return d;
}

}  // namespace

LyapunovWeights best_weights(const CertificateConstants& k, double gamma) {
  LyapunovWeights best, tried;
  if (!(k.lambda > 0) || !(k.pull > 0) || !(k.floor > 0) || !(k.share > 0)) return best;
  double low = 0, high = gamma / k.share;
  for (int i = 0; i < 48; ++i) {
    const double c = (low + high) / 2;
    if (best_margin(k, gamma, c, tried) >= 0) {
      low = c;
      best = tried;
    } else {
      high = c;
    }
  }
  if (best.rate > 0) {
    best.theta = 1 - best.delta * std::sqrt(k.smoothness / (best.kappa * k.floor));
  }
  return best;
}

CertificateSample certificate_sample(const LedgerEntry& entry, const Statistics& statistics,
                                     double infimum) {
  const auto& total = statistics.total;
  const auto square = [](double x) { return x * x; };
  return {.step = entry.step,
          .time = entry.time,
          .gap = entry.objective - infimum,
          .energy_gap = entry.energy - infimum,
          .potential = statistics.potential,
          .dissipation = total.dissipation,
          .momentum2 = square(total.momentum_norm),
          .force2 = square(total.force_norm),
          .velocity2 = square(total.velocity_norm),
          .force_momentum = statistics.force_momentum,
          .force_velocity = total.power,
          .turning = statistics.turning,
          .turning_norm = statistics.turning_norm,
          .momentum_op_norm = total.momentum_op_norm};
}

Certificate certify(std::span<const CertificateSample> all, const CertificateSetting& setting) {
  Certificate certificate;
  std::vector<double> times, energies;
  std::vector<CertificateSample> samples;
  for (const auto& s : all) {
    times.push_back(s.time);
    energies.push_back(s.energy_gap);
    if (s.gap > kRoundoff * all.front().energy_gap && s.force2 > 0) samples.push_back(s);
  }
  certificate.fitted = fit_rate(times, energies, 0);
  if (!certificate.fitted) {
    certificate.unavailable = "fewer than 4 records above round-off in the second half of the run";
    return certificate;
  }
  if (!setting.hessian_bound) {
    certificate.unavailable = "the geometry is not smooth: its gradient has no Lipschitz constant";
    return certificate;
  }
  const auto first = std::find_if(samples.begin(), samples.end(), [&](const auto& s) {
    return s.time >= certificate.fitted->from;
  });
  const std::span tail(first, samples.end());
  if (tail.size() < 4) {
    certificate.unavailable = "fewer than 4 records with a gap above round-off";
    return certificate;
  }
  certificate.whole = certified(samples, setting);
  certificate.tail = certified(tail, setting);

  const double gamma = setting.gamma, b = *setting.hessian_bound;
  const double lambda = samples.back().force2 / (2 * samples.back().gap);
  certificate.local_lambda = lambda;
  certificate.critical_hessian = gamma / (4 * lambda);
  certificate.local_rate =
      setting.inertial ? gamma - std::sqrt(std::max(0.0, gamma * gamma - 4 * gamma * lambda * b))
                       : 2 * lambda * b;
  if (setting.inertial) certificate.discrete = discrete_rate(*certificate.tail, setting, lambda);
  list_records(samples, setting, certificate);
  return certificate;
}

}  // namespace muonflow::flow
