#include "muonflow/linalg/regularized_polar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar/newton_schulz.hpp"
#include "muonflow/linalg/polar/spectral_map.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

// Which kernel, by epsilon over the Frobenius norm of the augmented matrix (a lower bound of its
// smallest singular value over its largest). The iteration in float has an error of up to
// 2 u (32 + ratio^-1 / 4), 1.5e-4 at its bound and 3e-5 as measured there; in double the same law
// is far below the roundoff of float until the second bound, and 1e-9 at it for double itself.
constexpr double kFloatIteration = 2e-4;
constexpr double kDoubleIteration = 1e-7;
// Smaller matrices cost as much in double, where the result is exact to float.
constexpr Index kSmall = 32;

// s / sqrt(s^2 + epsilon^2) without squares that overflow or underflow; 0 at s = 0.
double regularized(double s, double epsilon) {
  if (s <= 0) return 0;
  if (s >= epsilon) {
    const double t = epsilon / s;
    return 1 / std::sqrt(1 + t * t);
  }
  const double t = s / epsilon;
  return t / std::sqrt(1 + t * t);
}

template <class T>
RegularizedPolar by_svd(MatrixRef<T> x, double epsilon, Scratch& scratch) {
  RegularizedPolar result;
  const auto map = [&](std::span<double> s) {
    // The decomposition's own error: below it, a value says nothing where epsilon does not hide
    // it.
    double cutoff = support_cutoff<double>(x.rows(), x.cols(), s[0], 0);
    if (epsilon == 0) {
      double squares = 0;
      for (const double v : s) squares += s[0] > 0 ? (v / s[0]) * (v / s[0]) : 0;
      cutoff = support_cutoff<T>(x.rows(), x.cols(), s[0], s[0] * std::sqrt(squares));
    }
    for (std::size_t i = s.size(); i-- > 0;) {
      result.potential += smoothed_value(s[i], epsilon);
      const double value = epsilon < cutoff && s[i] <= cutoff ? 0 : regularized(s[i], epsilon);
      result.pairing += s[i] * value;
      s[i] = value;
    }
  };
  result.outcome = map_singular_values<T>(x, map, scratch);
  return result;
}

// The sum of sqrt(s^2 + epsilon^2) - epsilon over the singular values of x themselves.
template <class T>
double potential_by_values(const ConstMatrixRef<T>& x, double epsilon) {
  const Vector<double> s = singular_values<double>(x.template cast<double>());
  double sum = 0;
  for (Index i = s.size(); i-- > 0;) sum += smoothed_value(s[i], epsilon);
  return sum;
}

// By products alone, in scalar type U.
template <class U, class T>
RegularizedPolar by_iteration(MatrixRef<T> x, double epsilon, double divisor, bool with_potential,
                              Scratch& scratch) {
  constexpr double kRoundoff = std::numeric_limits<T>::epsilon() / 2;
  constexpr bool same = std::is_same_v<T, U>;
  constexpr double kNoise = !same ? 0.25 : std::is_same_v<T, float> ? 256 : 128;
  Scratch::Frame frame(scratch);
  MatrixMap<U> y = frame.matrix<U>(x.rows(), x.cols());
  y = x.template cast<U>();
  // In float: rounding amplified to 1024 u would show (1e-4 at epsilon 1e-3), 128 u gives the same
  // digits and takes a tenth more time.
  const NewtonSchulz iteration{.divisor = divisor,
                               .shift = epsilon / divisor,
                               .error = (same ? 16 : 0.25) * kRoundoff,
                               .formulation = Formulation::gram,
                               .tolerance = kNoise * kRoundoff};
  IterationReport report;
  RegularizedPolar result;
  result.outcome = newton_schulz<U>(y, iteration, scratch, &report);
  if (!result.outcome.ok()) return result;
  if (with_potential) {
    // The sums over all s of s^2 / q and of epsilon^2 / q, q^2 = s^2 + epsilon^2. Their sum less
    // r epsilon cancels where all of the matrix is small against epsilon.
    result.pairing = x.template cast<double>().cwiseProduct(y.template cast<double>()).sum();
    const auto r = static_cast<double>(std::min(x.rows(), x.cols()));
    const double squares = divisor * divisor - r * epsilon * epsilon;
    const double worst = std::is_same_v<U, double> ? 1e-4 : 1;
    result.potential = squares > worst * r * epsilon * epsilon
                           ? result.pairing + epsilon * (epsilon * report.inverse_root_trace - r)
                           : potential_by_values<T>(x, epsilon);
  }
  x = y.template cast<T>();
  return result;
}

// None where epsilon lies outside what an iteration resolves; x is then untouched.
template <class T>
std::optional<RegularizedPolar> try_iteration(MatrixRef<T> x, double epsilon, bool with_potential,
                                              Scratch& scratch) {
  const double norm = frobenius_norm<T>(x);
  const Index r = std::min(x.rows(), x.cols());
  const double divisor = std::hypot(norm, std::sqrt(static_cast<double>(r)) * epsilon);
  if (!std::isfinite(divisor) || norm == 0) return std::nullopt;
  const double ratio = epsilon / divisor;
  if (ratio < kDoubleIteration) return std::nullopt;
  if (std::is_same_v<T, float> && ratio >= kFloatIteration && r > kSmall) {
    return by_iteration<float>(x, epsilon, divisor, with_potential, scratch);
  }
  return by_iteration<double>(x, epsilon, divisor, with_potential, scratch);
}

}  // namespace

// sqrt(s^2 + epsilon^2) - epsilon = s f(s) / (1 + epsilon / sqrt(s^2 + epsilon^2)): nothing
// cancels.
double smoothed_value(double s, double epsilon) {
  if (s <= 0) return 0;
  return s * regularized(s, epsilon) / (1 + regularized(epsilon, s));
}

namespace {

template <class T>
RegularizedPolar run(MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
                     RegularizedKernel kernel, bool with_potential) {
  if (!(epsilon >= 0) || std::isinf(epsilon)) {
    throw ConfigError({.what = "epsilon of the regularized polar map",
                       .expected = "a finite number in [0, inf)",
                       .found = shortest(epsilon)});
  }
  if (x.size() == 0) return {};
  if (kernel == RegularizedKernel::automatic) {
    const auto result = try_iteration<T>(x, epsilon, with_potential, workspace);
    if (result) return *result;
  }
  return by_svd<T>(x, epsilon, workspace);
}

}  // namespace

template <class T>
RegularizedPolar regularized_polar_with_potential(MatrixRef<T> x, double epsilon,
                                                  Workspace<T>& workspace,
                                                  RegularizedKernel kernel) {
  return run<T>(x, epsilon, workspace, kernel, true);
}

template <class T>
Outcome regularized_polar(MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
                          RegularizedKernel kernel) {
  return run<T>(x, epsilon, workspace, kernel, false).outcome;
}

template <class T>
Outcome regularized_polar_by(MatrixRef<T> x, double epsilon, const Polar& options,
                             Workspace<T>& workspace) {
  if (options.steps.empty() && options.method == PolarMethod::svd) {
    return regularized_polar<T>(x, epsilon, workspace);
  }
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> augmented = frame.matrix(r, n + r);
  if (tall) {
    augmented.leftCols(n) = x.transpose();
  } else {
    augmented.leftCols(n) = x;
  }
  augmented.rightCols(r).setZero();
  augmented.rightCols(r).diagonal().setConstant(static_cast<T>(epsilon));
  const Outcome outcome = polar<T>(augmented, options, workspace);
  if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  if (tall) {
    x = augmented.leftCols(n).transpose();
  } else {
    x = augmented.leftCols(n);
  }
  return outcome;
}

#define MUONFLOW_INSTANTIATE(T)                                                                    \
  template RegularizedPolar regularized_polar_with_potential<T>(MatrixRef<T>, double,              \
                                                                Workspace<T>&, RegularizedKernel); \
  template Outcome regularized_polar<T>(MatrixRef<T>, double, Workspace<T>&, RegularizedKernel);   \
  template Outcome regularized_polar_by<T>(MatrixRef<T>, double, const Polar&, Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
