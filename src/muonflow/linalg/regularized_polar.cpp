#include "muonflow/linalg/regularized_polar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar/spectral_map.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

// The Gram matrix in double has an error of about u s_max^2, which the map turns into a relative
// error of 0.19 u (s_max / epsilon)^2: at this ratio 2e-9 times a small constant, below the
// roundoff of float.
constexpr double kGramRatio = 1e-4;

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

// None where epsilon turns out too small against the largest singular value; x is then untouched.
std::optional<RegularizedPolar> by_gram(MatrixRef<float> x, double epsilon, Scratch& scratch) {
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  Scratch::Frame frame(scratch);
  MatrixMap<double> wide = frame.matrix<double>(r, n);
  MatrixMap<double> vectors = frame.matrix<double>(r, r);
  MatrixMap<double> inverse_root = frame.matrix<double>(r, r);
  const std::span<double> values = frame.values<double>(r);
  if (tall) {
    MatrixMap<float> turned = frame.matrix<float>(r, n);
    detail::transpose<float>(n, r, x.data(), x.outerStride(), turned.data(), n);
    wide = turned.cast<double>();
  } else {
    wide = x.cast<double>();
  }
  symmetric_product<double>(1.0, wide, 0.0, vectors);
  const Outcome outcome = eigh_in_place<double>(vectors, values.data(), scratch);
  const double largest = std::max(0.0, values.back());
  if (!outcome.ok() || epsilon < kGramRatio * std::sqrt(largest)) return std::nullopt;

  RegularizedPolar result;
  MatrixMap<double> columns = frame.matrix<double>(r, r);
  for (Index i = 0; i < r; ++i) {
    const double square = std::max(0.0, values[static_cast<std::size_t>(i)]);
    const double root = std::sqrt(square + epsilon * epsilon);
    result.potential += square / (root + epsilon);
    result.pairing += square / root;
    columns.col(i) = vectors.row(i).transpose() / std::sqrt(root);
  }
  symmetric_product<double>(1.0, columns, 0.0, inverse_root);
  MatrixMap<double> product = frame.matrix<double>(r, n);
  gemm<double>(Op::none, Op::none, 1.0, inverse_root, wide, 0.0, product);
  if (tall) {
    x = product.transpose().cast<float>();
  } else {
    x = product.cast<float>();
  }
  return result;
}

std::optional<RegularizedPolar> try_gram(MatrixRef<float> x, double epsilon, Scratch& scratch) {
  const double norm = frobenius_norm<float>(x);
  const auto r = static_cast<double>(std::min(x.rows(), x.cols()));
  // norm / sqrt(r) is a lower bound of the largest singular value.
  if (!std::isfinite(norm) || epsilon < kGramRatio * norm / std::sqrt(r)) return std::nullopt;
  // Outside this range the squares of epsilon are not doubles to rely on.
  if (epsilon < 1e-140 || epsilon > 1e140) return std::nullopt;
  return by_gram(x, epsilon, scratch);
}
std::optional<RegularizedPolar> try_gram(MatrixRef<double>, double, Scratch&) {
  return std::nullopt;
}

}  // namespace

// sqrt(s^2 + epsilon^2) - epsilon = s f(s) / (1 + epsilon / sqrt(s^2 + epsilon^2)): nothing
// cancels.
double smoothed_value(double s, double epsilon) {
  if (s <= 0) return 0;
  return s * regularized(s, epsilon) / (1 + regularized(epsilon, s));
}

template <class T>
RegularizedPolar regularized_polar_with_potential(MatrixRef<T> x, double epsilon,
                                                  Workspace<T>& workspace,
                                                  RegularizedKernel kernel) {
  if (!(epsilon >= 0) || std::isinf(epsilon)) {
    throw ConfigError({.what = "epsilon of the regularized polar map",
                       .expected = "a finite number in [0, inf)",
                       .found = shortest(epsilon)});
  }
  if (x.size() == 0) return {};
  if (kernel == RegularizedKernel::automatic) {
    if (const auto result = try_gram(x, epsilon, workspace)) return *result;
  }
  return by_svd<T>(x, epsilon, workspace);
}

template <class T>
Outcome regularized_polar(MatrixRef<T> x, double epsilon, Workspace<T>& workspace,
                          RegularizedKernel kernel) {
  return regularized_polar_with_potential<T>(x, epsilon, workspace, kernel).outcome;
}

template <class T>
Outcome regularized_polar_by(MatrixRef<T> x, double epsilon, const Polar& options,
                             Workspace<T>& workspace) {
  if (options.method == PolarMethod::svd) return regularized_polar<T>(x, epsilon, workspace);
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
