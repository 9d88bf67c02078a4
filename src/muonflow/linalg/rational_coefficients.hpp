// Odd rational functions that bring the singular values in [l, 1] close to 1: the steps of QDWH and
// of Zolo-PD, as partial fractions.
//
// The best odd rational approximation of degree 2r + 1 to the sign function is Zolotarev's; r = 1
// is the dynamically weighted Halley step of QDWH (Y. Nakatsukasa, Z. Bai, F. Gygi, SIAM J. Matrix
// Anal. Appl. 31, 2010; Y. Nakatsukasa, R. Freund, SIAM Review 58, 2016, equations 3.5 to 3.9).
// Composed with itself on the interval it leaves, it is again Zolotarev's, of degree (2r + 1)^2.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace muonflow::linalg {

// f(x) = linear x + sum of weight g / (1 + g^2), g = slope x. A matrix takes it term by term: g is
// slope X, and g / (1 + g^2) its resolvent (see detail/resolvent.hpp).
struct OddRational {
  static constexpr std::size_t kMaxTerms = 8;  // two steps then reach 1e16

  struct Term {
    double slope = 0;
    double weight = 0;
  };
  double linear = 1;
  std::array<Term, kMaxTerms> terms{};
  std::size_t count = 0;

  double operator()(double x) const;
};

// a, b, c of x (a + b x^2) / (1 + c x^2), the best on [l, 1]; (3, 1, 3) for l = 1, Halley's.
struct QdwhCoefficients {
  double a = 3;
  double b = 1;
  double c = 3;

  double operator()(double x) const { return x * (a + b * x * x) / (1 + c * x * x); }
  OddRational rational() const;
};

// 0 < l <= 1; l down to 1e-60 does not overflow.
QdwhCoefficients qdwh_coefficients(double l);

// f(x) = m_hat x prod (x^2 + c_2j) / (x^2 + c_2j-1) = m_hat (x + sum a_j x / (x^2 + c_2j-1)), the
// best of degree 2r + 1 on [l, 1], scaled so that f maps [l, 1] onto [f(l), 1].
struct ZolotarevCoefficients {
  double m_hat = 1;
  std::vector<double> c;  // c_1 < c_2 < ... < c_2r at [0] to [2r - 1]
  std::vector<double> a;  // a_1 to a_r at [0] to [r - 1]

  double operator()(double x) const;
  OddRational rational() const;
};

// 0 < l <= 1, 1 <= r <= OddRational::kMaxTerms.
ZolotarevCoefficients zolotarev_coefficients(double l, std::size_t r);

// The smallest r for which `steps` steps bring [l, 1] into [1 - tolerance, 1]; kMaxTerms where none
// does.
std::size_t zolotarev_order(double l, int steps, double tolerance);

// cs(fraction K) = cn / sn of modulus sqrt(1 - l^2), K its complete elliptic integral, 0 < fraction
// < 1: by the arithmetic-geometric mean of 1 and l, in positive terms alone, so that the relative
// error is a few roundings for every l, 1e-17 included, where the modulus itself rounds to 1.
double elliptic_cs(double fraction, double l);
// K(sqrt(1 - l^2)) = pi / (2 AGM(1, l)).
double elliptic_k(double l);

}  // namespace muonflow::linalg
