// Real powers of the singular values, (G G^T)^(-c) G = U diag(s^(1 - 2 c)) V^T: the directions of
// Freon ("Muon is not that special", arXiv:2605.11181), with SGD at c = 0, Muon at c = 1/2 and the
// transposed pseudo-inverse at c = 1.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Times relative to svd, float, condition 1e4, c = 3/4, on two cores shared with other work: eigh
// 0.5, 0.7, 0.65, 0.8 for n = 64, 128, 256, 384 and 0.4 for rows four times as long; rational
// 0.7, 1.6, 1.9, 2.5 and 1.0 to 1.4.
enum class SpectralPowerMethod {
  automatic,  // double: svd. float: eigh, and svd where s_min / s_max is below 1e-5
  svd,        // any c, any rank
  eigh,       // of the small Gram matrix in double; any c
  rational,   // coupled (1, 1) iteration on it; c = a / b > 0 with whole a, b <= 16
};

// Factor of the result, with q = 2 (1 - c), s the singular values on the support and r = min(m, n).
enum class SpectralNormalization {
  none,
  covariant,  // (sum s^q / r)^((1 - q) / q): the result does not depend on the scale of G; at c = 1
              // the limit on the support, the geometric mean of s there
  schatten,   // 1 / ||s||_q^(q - 1): the point of the Schatten p-unit ball, 1/p + 1/q = 1, that is
              // best for G; not for c = 1
};

struct SpectralPower {
  SpectralPowerMethod method = SpectralPowerMethod::automatic;
  double c = 2.0 / 3.0;
  SpectralNormalization normalization = SpectralNormalization::none;
  // Singular values up to this part of the largest count as 0, and their powers are 0; off: the
  // numerical support, `support_cutoff` of polar.hpp.
  std::optional<double> floor = {};

  void fields(FieldVisitor& v);
};

// Sums over the singular values t = s / norm on the support, which no scale of G makes overflow.
struct SpectralSums {
  Index count = 0;            // r
  Index rank = 0;             // of them on the support
  double norm = 0;            // what s was divided by, near ||G||_F
  double pairing = 0;         // <D, G> / norm^q = sum t^q
  double log_power_mean = 0;  // log((sum t^q) / rank) / q; at q = 0 its limit, the mean of log t
};

// The factor that takes (H H^T)^(-c) H, H = G / norm, to the normalized result for G; 0 for a rank
// of 0. Throws ConfigError for schatten at c = 1.
double normalization_factor(const SpectralSums& sums, double c, SpectralNormalization kind);

struct SpectralPowerReport {
  SpectralPowerMethod method = SpectralPowerMethod::svd;  // that was used in the end
  Index iterations = 0;
  double lower = 0;  // singular values on the support lie in [lower, upper]: their ends, or proven
  double upper = 0;  // bounds for rational
  SpectralSums sums = {};
};

// g [m, n] <- the normalized power, in place; rows may lie apart.
//
// Computed in double, with one rounding to T. Relative error (Frobenius), k = s_max / s_min on the
// support: svd about u k; eigh and rational a quarter of u k^2 or less (measured: 3e-9 for k = 1e4,
// 2e-7 for 1e5). Their Gram matrix knows nothing of singular values below sqrt(r u) of the largest:
// eigh counts them as 0 whatever the floor, and rational, which needs all of them above floor and
// sqrt(r u) by the proven bound, up to r too low, hands such a matrix to svd, as the report says.
//
// Flops, N = max(m, n): svd 4 r^2 N + 22 r^3; eigh 3 r^2 N + 9 r^3; rational 3 r^2 N + about 20
// r^3. Same bits for any number of threads. Zero gives zero. Entries that are not finite:
// non_finite_input; a value that T cannot hold: non_finite_result; g is unchanged in both. Throws
// ConfigError.
template <class T>
Outcome spectral_power(MatrixRef<T> g, const SpectralPower& options, Workspace<T>& workspace,
                       SpectralPowerReport* report = nullptr);

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::SpectralPowerMethod> {
  static constexpr std::array<std::string_view, 4> names{"automatic", "svd", "eigh", "rational"};
};
template <>
struct muonflow::EnumNames<muonflow::linalg::SpectralNormalization> {
  static constexpr std::array<std::string_view, 3> names{"none", "covariant", "schatten"};
};
