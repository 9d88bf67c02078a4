#include "muonflow/linalg/spectral_power.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/polar/spectral_map.hpp"
#include "muonflow/linalg/roots/coupled_root.hpp"
#include "muonflow/linalg/roots/root_interval.hpp"
#include "muonflow/linalg/roots/root_steps.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kUnit = std::numeric_limits<double>::epsilon();
constexpr Range kPowers{.lo = -64, .hi = 64};

// From 1e-5 on the Gram matrix leaves an error of 1e-6 at most.
constexpr double kGramRatio = 1e-5;

double exponent_q(double c) { return 2 * (1 - c); }

// Numerator and denominator of c; b = 0 where there are none.
struct Fraction {
  int a = 0;
  int b = 0;
};
Fraction fraction_of(double c) {
  for (int b = 2; b <= 16; ++b) {
    const double a = std::round(c * b);
    if (a < 1 || a > 16 || std::abs(c - a / b) > 1e-12) continue;
    // An even b, for the more accurate update of the iteration.
    const int by = b % 2 == 0 ? 1 : 2;
    return {by * static_cast<int>(a), by * b};
  }
  return {};
}

void check(const SpectralPower& o) {
  const auto refuse = [](std::string what, std::string expected, double found) {
    throw ConfigError(
        {.what = std::move(what), .expected = std::move(expected), .found = shortest(found)});
  };
  if (!kPowers.contains(o.c)) refuse("c of the spectral power", to_string(kPowers), o.c);
  if (o.floor && !(*o.floor >= 0 && *o.floor < 1)) {
    refuse("floor of the spectral power", "[0, 1)", *o.floor);
  }
  if (o.normalization == SpectralNormalization::schatten && o.c == 1) {
    refuse("c of the spectral power normalized by a Schatten norm", "not 1, where q is 0", o.c);
  }
  if (o.method == SpectralPowerMethod::rational && fraction_of(o.c).b == 0) {
    refuse("c of the spectral power by the rational iteration",
           "a fraction a / b with a and b in 1, ..., 16", o.c);
  }
}

// `values` descending; the first `rank` of them are the support.
SpectralSums sums_of(std::span<const double> values, Index rank, double norm, double c) {
  SpectralSums sums{.count = static_cast<Index>(values.size()), .rank = rank, .norm = norm};
  const double q = exponent_q(c);
  const auto kept = static_cast<double>(rank);
  double logs = 0;
  double beyond = 0;  // of t^q over 1: what is left when q is small
  for (Index i = rank; i-- > 0;) {
    const double log_t = std::log(values[static_cast<std::size_t>(i)] / norm);
    sums.pairing += std::exp(q * log_t);
    beyond += std::expm1(q * log_t);
    logs += log_t;
  }
  if (rank == 0) return sums;
  if (q == 0) {
    sums.log_power_mean = logs / kept;
  } else if (std::abs(q) < 1e-3) {
    sums.log_power_mean = std::log1p(beyond / kept) / q;
  } else {
    sums.log_power_mean = std::log(sums.pairing / kept) / q;
  }
  return sums;
}

// sqrt(sum s^2) of descending values, without overflow.
double norm_of(std::span<const double> s) {
  double squares = 0;
  for (const double value : s) squares += s[0] > 0 ? (value / s[0]) * (value / s[0]) : 0;
  return s[0] * std::sqrt(squares);
}

template <class T>
double cutoff_of(const SpectralPower& o, Index rows, Index cols, double s_max, double norm) {
  return o.floor ? *o.floor * s_max : support_cutoff<T>(rows, cols, s_max, norm);
}

template <class T>
Outcome by_svd(MatrixRef<T> g, const SpectralPower& o, SpectralPowerReport& report,
               Scratch& scratch) {
  report = {.method = SpectralPowerMethod::svd};
  const auto map = [&](std::span<double> s) {
    const double norm = norm_of(s);
    const double cutoff = cutoff_of<T>(o, g.rows(), g.cols(), s[0], norm);
    Index rank = 0;
    while (rank < static_cast<Index>(s.size()) && s[static_cast<std::size_t>(rank)] > cutoff)
      ++rank;
    report.sums = sums_of(s, rank, norm, o.c);
    report.upper = rank > 0 ? s[0] : 0;
    report.lower = rank > 0 ? s[static_cast<std::size_t>(rank - 1)] : 0;
    const double factor = normalization_factor(report.sums, o.c, o.normalization);
    const bool plain = o.normalization == SpectralNormalization::none;
    for (Index i = 0; i < static_cast<Index>(s.size()); ++i) {
      double& value = s[static_cast<std::size_t>(i)];
      if (i >= rank) {
        value = 0;
        continue;
      }
      // Not by the factor where there is none to speak of: s^1 and s^0 are then exact.
      value = plain ? std::pow(value, 1 - 2 * o.c) : factor * std::pow(value / norm, 1 - 2 * o.c);
      if (value > static_cast<double>(std::numeric_limits<T>::max())) {
        value = std::numeric_limits<double>::infinity();
      }
    }
  };
  return map_singular_values<T>(g, map, scratch);
}

// G as a wide matrix in double times 2^-shift, its norm in [1/2, 1), and its Gram matrix.
struct PowerProblem {
  MatrixMap<double> wide;  // [r, n]
  MatrixMap<double> gram;  // [r, r]
  int shift = 0;
};

template <class T>
void load(const ConstMatrixRef<T>& g, double norm, PowerProblem& problem, Scratch& scratch) {
  if (g.rows() > g.cols()) {
    Scratch::Frame frame(scratch);
    MatrixMap<T> turned = frame.matrix<T>(g.cols(), g.rows());
    detail::transpose<T>(g.rows(), g.cols(), g.data(), g.outerStride(), turned.data(), g.rows());
    problem.wide = turned.template cast<double>();
  } else {
    problem.wide = g.template cast<double>();
  }
  problem.shift = std::ilogb(norm) + 1;
  const int half = problem.shift / 2;
  problem.wide *= std::ldexp(1.0, -half);
  problem.wide *= std::ldexp(1.0, half - problem.shift);
  symmetric_product<double>(1.0, problem.wide, 0.0, problem.gram, scratch);
}

// product <- (gram / norm^2)^(-c) wide / norm on the support. False where the Gram matrix cannot
// tell, which only `automatic` minds.
template <class T>
bool by_eigh(PowerProblem& problem, const SpectralPower& o, MatrixMap<double>& product,
             SpectralPowerReport& report, Scratch& scratch) {
  const Index r = problem.gram.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<double> vectors = frame.matrix<double>(r, r);
  const std::span<double> ascending = frame.values<double>(r);
  const std::span<double> s = frame.values<double>(r);
  vectors = problem.gram;
  if (!eigh_in_place<double>(vectors, ascending.data(), scratch).ok()) return false;
  std::transform(ascending.rbegin(), ascending.rend(), s.begin(),
                 [](double value) { return std::sqrt(std::max(0.0, value)); });
  if (s[0] == 0) return false;
  const double norm = norm_of(s);
  const double cutoff =
      std::max(cutoff_of<T>(o, problem.wide.rows(), problem.wide.cols(), s[0], norm),
               std::sqrt(static_cast<double>(r) * kUnit) * s[0]);
  Index rank = 0;
  while (rank < r && s[static_cast<std::size_t>(rank)] > cutoff) ++rank;
  const bool reliable = std::max(cutoff, s[static_cast<std::size_t>(r - 1)]) >= kGramRatio * s[0];
  if (!reliable && o.method == SpectralPowerMethod::automatic) return false;
  report = {.method = SpectralPowerMethod::eigh,
            .lower = s[static_cast<std::size_t>(rank - 1)],
            .upper = s[0],
            .sums = sums_of(s, rank, norm, o.c)};
  // Eigenvectors are rows, ascending. gram / norm^2 to the power -c, half of it on each side.
  for (Index i = 0; i < rank; ++i) {
    vectors.row(r - 1 - i) *= std::pow(s[static_cast<std::size_t>(i)] / norm, -o.c);
  }
  MatrixMap<double> power = frame.matrix<double>(r, r);
  MatrixMap<double> columns = frame.matrix<double>(r, rank);
  detail::transpose<double>(rank, r, vectors.row(r - rank).data(), r, columns.data(), rank);
  symmetric_product<double>(1.0, columns, 0.0, power, scratch);
  gemm<double>(Op::none, Op::none, 1.0 / norm, power, problem.wide, 0.0, product);
  return true;
}

// product <- (gram / norm^2)^(-a / b) wide / norm; false where the proven interval reaches below
// what is to be kept.
template <class T>
bool by_rational(PowerProblem& problem, const SpectralPower& o, MatrixMap<double>& product,
                 SpectralPowerReport& report, Scratch& scratch) {
  const Index r = problem.gram.rows();
  const Fraction f = fraction_of(o.c);
  Scratch::Frame frame(scratch);
  MatrixMap<double> m = frame.matrix<double>(r, r);
  m = problem.gram;
  const double norm = frobenius_norm<double>(problem.wide);
  // The support's own cutoff at its highest: the norm is at most sqrt(r) of the largest value.
  const double floor = o.floor.value_or(
      support_cutoff<T>(r, problem.wide.cols(), 1, std::sqrt(static_cast<double>(r))));
  const double least = std::max(floor * floor, static_cast<double>(r) * kUnit);
  const std::optional<RootInterval> interval = root_interval(m, least);
  if (!interval) return false;
  const std::vector<RootStep> steps =
      root_steps(f.b, interval->lower, interval->upper, sizeof(T) == sizeof(float) ? 1e-9 : kUnit,
                 RootFamily::rational);
  m = problem.gram;
  product = problem.wide * std::pow(norm, 2 * o.c - 1);
  if (!coupled_power<double>(m, f.a, f.b, steps, product, scratch)) return false;
  report = {.method = SpectralPowerMethod::rational,
            .iterations = static_cast<Index>(steps.size()),
            .lower = std::sqrt(interval->lower),
            .upper = std::sqrt(interval->upper),
            .sums = {.count = r, .rank = r, .norm = norm}};
  if (o.c == 1) {
    report.sums.log_power_mean =
        interval->log_determinant / (2 * static_cast<double>(r)) - std::log(norm);
  }
  return true;
}

template <class T>
std::optional<Outcome> by_gram(MatrixRef<T> g, double norm, const SpectralPower& o,
                               SpectralPowerReport& report, Scratch& scratch) {
  const Index r = std::min(g.rows(), g.cols());
  const Index n = std::max(g.rows(), g.cols());
  Scratch::Frame frame(scratch);
  PowerProblem problem{.wide = frame.matrix<double>(r, n), .gram = frame.matrix<double>(r, r)};
  MatrixMap<double> product = frame.matrix<double>(r, n);
  load<T>(g, norm, problem, scratch);
  const bool made = o.method == SpectralPowerMethod::rational
                        ? by_rational<T>(problem, o, product, report, scratch)
                        : by_eigh<T>(problem, o, product, report, scratch);
  if (!made) return std::nullopt;
  SpectralSums& sums = report.sums;
  if (report.method == SpectralPowerMethod::rational) {
    sums.pairing = dot<double>(product, problem.wide) / sums.norm;
    const double q = exponent_q(o.c);
    if (q != 0) {
      sums.log_power_mean = std::log(sums.pairing / static_cast<double>(sums.rank)) / q;
    }
  }
  sums.norm = std::ldexp(sums.norm, problem.shift);
  report.lower = std::ldexp(report.lower, problem.shift);
  report.upper = std::ldexp(report.upper, problem.shift);
  product *= normalization_factor(sums, o.c, o.normalization);
  if (!all_finite<double>(product) ||
      max_abs<double>(product) > static_cast<double>(std::numeric_limits<T>::max())) {
    return Outcome{.status = Status::non_finite_result, .changed = false};
  }
  if (g.rows() > g.cols()) {
    g = product.transpose().template cast<T>();
  } else {
    g = product.template cast<T>();
  }
  return Outcome{};
}

}  // namespace

void SpectralPower::fields(FieldVisitor& v) {
  v.choice("power_method", method, "how the power is computed");
  v.real("c", c, kPowers, "singular values are raised to 1 - 2 c");
  v.choice("normalization", normalization, "factor of the result");
  v.optional_real("floor", floor, {.lo = 0, .hi = 1, .hi_open = true},
                  "singular values up to this part of the largest count as 0");
}

double normalization_factor(const SpectralSums& sums, double c, SpectralNormalization kind) {
  if (sums.rank == 0) return 0;
  if (kind == SpectralNormalization::none) return std::pow(sums.norm, 1 - 2 * c);
  const double q = exponent_q(c);
  const bool covariant = kind == SpectralNormalization::covariant;
  if (q == 0 && !covariant) {
    throw ConfigError({.what = "c of a power normalized by a Schatten norm",
                       .expected = "not 1, where q is 0",
                       .found = shortest(c)});
  }
  const auto kept = static_cast<double>(sums.rank);
  const auto of = covariant ? static_cast<double>(sums.count) : 1.0;
  const double log_mean = sums.log_power_mean + (q == 0 ? 0 : std::log(kept / of) / q);
  return std::exp((1 - q) * log_mean);
}

template <class T>
Outcome spectral_power(MatrixRef<T> g, const SpectralPower& options, Workspace<T>& workspace,
                       SpectralPowerReport* report) {
  check(options);
  SpectralPowerReport made;
  Outcome outcome;
  if (g.size() != 0) {
    const double norm = frobenius_norm<T>(g);
    if (std::isnan(norm) || !all_finite<T>(g)) {
      return {.status = Status::non_finite_input, .changed = false};
    }
    // Gram matrices in double serve float to its last digit, double only when asked for.
    const bool gram = options.method == SpectralPowerMethod::eigh ||
                      options.method == SpectralPowerMethod::rational ||
                      (options.method == SpectralPowerMethod::automatic && sizeof(T) == 4);
    std::optional<Outcome> by;
    if (gram && norm > 0 && std::isfinite(norm)) {
      by = by_gram<T>(g, norm, options, made, workspace);
    }
    outcome = by ? *by : by_svd<T>(g, options, made, workspace);
  }
  if (outcome.ok() && report != nullptr) *report = made;
  return outcome;
}

#define MUONFLOW_INSTANTIATE(T)                                                         \
  template Outcome spectral_power<T>(MatrixRef<T>, const SpectralPower&, Workspace<T>&, \
                                     SpectralPowerReport*);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
