#include "muonflow/linalg/minimax.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/coefficients.hpp"

namespace muonflow::linalg {
namespace {

constexpr std::size_t kMaxTerms = OddPolynomial::kMaxTerms;

long double power(long double x, std::size_t exponent) {
  long double product = 1;
  for (std::size_t i = 0; i < exponent; ++i) product *= x;
  return product;
}

// Where f changes its sign between a and b, to the last digit, for any f.
template <class F>
long double bisect(long double a, long double b, bool positive_at_a, const F& f) {
  for (int i = 0; i < 200; ++i) {
    const long double middle = a + (b - a) / 2;
    if (middle == a || middle == b) break;
    ((f(middle) > 0) == positive_at_a ? a : b) = middle;
  }
  return a + (b - a) / 2;
}

// The same for a smooth f, in some ten evaluations: inverse quadratic interpolation where three
// points are safe for it, else halves (Chandrupatla 1997).
template <class F>
long double sign_change(long double a, long double b, bool positive_at_a, const F& f) {
  long double f_a = f(a);
  long double f_b = f(b);
  if (positive_at_a != (f_a > 0) || positive_at_a == (f_b > 0)) {
    return bisect(a, b, positive_at_a, f);  // rounding has the signs at the ends
  }
  long double part = 0.5L;
  for (int i = 0; i < 200; ++i) {
    const long double at = a + part * (b - a);
    const long double f_at = f(at);
    long double c = a;  // the end that the new point replaces, or the one before
    long double f_c = f_a;
    if ((f_at > 0) != (f_a > 0)) {
      c = b;
      f_c = f_b;
      b = a;
      f_b = f_a;
    }
    a = at;
    f_a = f_at;
    const long double best = std::abs(f_a) < std::abs(f_b) ? a : b;
    const long double resolved = 2 * std::numeric_limits<long double>::epsilon() *
                                 (std::abs(best) + std::numeric_limits<long double>::min());
    const long double least = resolved / std::abs(b - a);
    if (f_a == 0 || !(least <= 0.5L)) return f_a == 0 ? a : best;
    const long double x = (a - b) / (c - b);
    const long double y = (f_a - f_b) / (f_c - f_b);
    part = 0.5L;
    if (y * y < x && (1 - y) * (1 - y) < 1 - x) {
      part = f_a / (f_b - f_a) * f_c / (f_b - f_c) +
             (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b);
    }
    part = std::clamp(part, least, 1 - least);
  }
  return a;
}

// The best approximation on [l, u], in the variable t = z / h of z = 1 - y / y_0, y = x^2 and y_0
// the centre of [l^2, u^2]: t = 1 at l, t = -1 at u. With w = y / y_0 the target is 1 / sqrt(w) for
// x q(y) = 1, so that q = B + D, B the Taylor polynomial of 1 / sqrt(1 - z), and what remains for D
// is small on a narrow interval and known to its own last digit. The exchange therefore works alike
// from the widest interval to a point.
class Exchange {
 public:
  Exchange(long double l, long double u, std::size_t terms)
      : terms_(terms),
        centre_((l * l + u * u) / 2),
        half_width_((u - l) * (u + l) / (l * l + u * u)),
        w_lower_(2 * l * l / (l * l + u * u)) {
    b_[0] = 1;
    for (std::size_t i = 1; i < kSeries; ++i) {
      const auto k = static_cast<long double>(i);
      b_[i] = b_[i - 1] * (2 * k - 1) / (2 * k);
    }
    if (half_width_ > 0) run();
  }

  long double error() const { return error_; }

  // Of x, x^3, x^5, ...
  std::array<long double, kMaxTerms> coefficients() const {
    std::array<long double, kMaxTerms> c{};
    for (std::size_t i = terms_; i-- > 0;) {  // Horner in z = 1 - w
      for (std::size_t j = terms_; j-- > 0;) c[j] -= j > 0 ? c[j - 1] : 0;
      c[0] += b_[i] + (half_width_ > 0 ? d_[i] / std::pow(half_width_, static_cast<int>(i)) : 0);
    }
    long double scale = std::sqrt(centre_);
    for (std::size_t j = 0; j < terms_; ++j) {
      c[j] /= scale;
      scale *= centre_;
    }
    return c;
  }

 private:
  static constexpr std::size_t kSeries = 48;
  static constexpr long double kNarrow = 0.25L;  // kNarrow^(kSeries - 8) is below the roundoff

  long double w(long double t) const { return w_lower_ + half_width_ * (1 - t); }

  long double d(long double t) const {
    long double sum = 0;
    for (std::size_t i = terms_; i-- > 0;) sum = d_[i] + t * sum;
    return sum;
  }

  // What D has to approximate, times the weight sqrt(w).
  long double target(long double t) const {
    const long double z = half_width_ * t;
    const long double root = std::sqrt(w(t));
    long double sum = 0;
    if (half_width_ < kNarrow) {
      for (std::size_t i = kSeries; i-- > terms_;) sum = b_[i] + z * sum;
      return root * sum * power(z, terms_);
    }
    for (std::size_t i = terms_; i-- > 0;) sum = b_[i] + z * sum;
    return 1 - root * sum;
  }

  // 1 - p, and a positive multiple of dp / dx.
  long double difference(long double t) const { return target(t) - std::sqrt(w(t)) * d(t); }
  long double slope(long double t) const {
    const std::size_t last = terms_ - 1;
    long double derivative = 0;
    for (std::size_t i = last; i > 0; --i) {
      derivative = static_cast<long double>(i) * d_[i] + t * derivative;
    }
    // q + 2 y q'(y): of B only the last coefficient is left.
    return static_cast<long double>(2 * last + 1) * b_[last] * power(half_width_ * t, last) + d(t) -
           2 * w(t) * derivative / half_width_;
  }

  // D and the error from: difference(t_j) = (-1)^j error.
  void solve() {
    constexpr std::size_t kMost = kMaxTerms + 1;
    const std::size_t n = terms_ + 1;
    std::array<std::array<long double, kMost + 1>, kMost> a{};
    for (std::size_t j = 0; j < n; ++j) {
      long double entry = std::sqrt(w(t_[j]));
      for (std::size_t i = 0; i < terms_; ++i) {
        a[j][i] = entry;
        entry *= t_[j];
      }
      a[j][terms_] = j % 2 == 0 ? 1 : -1;
      a[j][n] = target(t_[j]);
    }
    for (std::size_t k = 0; k < n; ++k) {
      std::size_t pivot = k;
      for (std::size_t i = k + 1; i < n; ++i) {
        if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
      }
      std::swap(a[k], a[pivot]);
      for (std::size_t i = k + 1; i < n; ++i) {
        const long double factor = a[i][k] / a[k][k];
        for (std::size_t j = k; j <= n; ++j) a[i][j] -= factor * a[k][j];
      }
    }
    std::array<long double, kMost> x{};
    for (std::size_t k = n; k-- > 0;) {
      x[k] = a[k][n];
      for (std::size_t j = k + 1; j < n; ++j) x[k] -= a[k][j] * x[j];
      x[k] /= a[k][k];
    }
    for (std::size_t i = 0; i < terms_; ++i) d_[i] = x[i];
    error_ = x[terms_];
  }

  // New points: the extrema of the difference, which alternates at the old ones. It has as many
  // zeros on x > 0 as coefficients, so one lies between any two neighbours, one extremum between
  // any two zeros, and both ends of the interval stay.
  // Returns how far a point has moved.
  long double exchange() {
    std::array<long double, kMaxTerms> zero{};
    for (std::size_t j = 0; j < terms_; ++j) {
      zero[j] =
          sign_change(t_[j], t_[j + 1], j % 2 == 0, [&](long double t) { return difference(t); });
    }
    long double moved = 0;
    for (std::size_t j = 1; j < terms_; ++j) {
      // Going down in t, up in x, from zero to zero: p climbs to a maximum first at an odd point.
      const long double t =
          sign_change(zero[j - 1], zero[j], j % 2 == 1, [&](long double at) { return slope(at); });
      moved = std::max(moved, std::abs(t - t_[j]));
      t_[j] = t;
    }
    return moved;
  }

  void run() {
    for (std::size_t j = 0; j <= terms_; ++j) {
      t_[j] = std::cos(std::numbers::pi_v<long double> * static_cast<long double>(j) /
                       static_cast<long double>(terms_));
    }
    solve();
    // Quadratic convergence, and the error is flat where the points belong: a displacement below
    // 1e-8 is one below 1e-16 of what counts. The limit is never met; it bounds the loop.
    constexpr int kMostExchanges = 100;
    for (int i = 0; i < kMostExchanges; ++i) {
      const long double moved = exchange();
      solve();
      if (moved < 1e-9L) break;
    }
  }

  std::size_t terms_;
  long double centre_;      // of x^2
  long double half_width_;  // of z
  long double w_lower_;     // w at l
  std::array<long double, kSeries> b_{};
  std::array<long double, kMaxTerms> d_{};
  std::array<long double, kMaxTerms + 1> t_{};
  long double error_ = 0;
};

long double value(const OddPolynomial& p, long double x) {
  long double sum = 0;
  for (std::size_t k = p.terms; k-- > 0;) sum = p[k] + x * x * sum;
  return x * sum;
}

struct Interval {
  long double lower, upper;
};

void check(double lower, double upper, std::int64_t degree) {
  if (!(lower > 0) || !(lower <= upper) || !std::isfinite(upper)) {
    throw ConfigError({.what = "interval of a minimax polynomial",
                       .expected = "0 < lower <= upper",
                       .found = shortest(lower) + " and " + shortest(upper)});
  }
  if (degree < 3 || degree > 2 * static_cast<std::int64_t>(kMaxTerms) - 1 || degree % 2 == 0) {
    throw ConfigError({.what = "degree of a minimax polynomial",
                       .expected = "3, 5, 7, 9, 11, 13 or 15",
                       .found = std::to_string(degree)});
  }
}

void check_cushion(double cushion) {
  if (cushion >= 0 && cushion < 1) return;
  throw ConfigError({.what = "cushion of a composition",
                     .expected = "a number in [0, 1)",
                     .found = shortest(cushion)});
}

OddPolynomial rounded(const Exchange& exchange, std::size_t terms, long double factor) {
  const auto c = exchange.coefficients();
  OddPolynomial p;
  p.terms = terms;
  for (std::size_t k = 0; k < terms; ++k) p.coefficients[k] = static_cast<double>(c[k] * factor);
  return p;
}

// One step fitted on an interval [l, u], with the cushion.
OddPolynomial fitted(const Interval& interval, std::size_t terms, double cushion) {
  const auto [l, u] = interval;
  const Exchange exchange(std::max(l, cushion * u), u, terms);
  if (cushion * u <= l) return rounded(exchange, terms, 1);
  // Values on [l, u] go from p(l), below those of the fitted interval, to 1 + error.
  const auto c = exchange.coefficients();
  long double p_l = 0;
  for (std::size_t k = terms; k-- > 0;) p_l = c[k] + l * l * p_l;
  return rounded(exchange, terms, 2 / (l * p_l + 1 + exchange.error()));
}

// What it maps the interval into; exactly what, at safety 1.
Interval next(const OddPolynomial& p, const Interval& interval) {
  const long double lowest = std::min(value(p, interval.lower), 1.0L);
  return {lowest, 2 - lowest};
}

// Real roots in (lo, hi) at which the polynomial changes sign, ascending: between any two
// neighbouring roots of its derivative there is at most one.
std::vector<long double> sign_changes(std::span<const long double> c, long double lo,
                                      long double hi) {
  if (c.size() < 2) return {};
  std::vector<long double> derivative;
  for (std::size_t i = 1; i < c.size(); ++i) {
    derivative.push_back(static_cast<long double>(i) * c[i]);
  }
  std::vector<long double> ends = sign_changes(derivative, lo, hi);
  ends.insert(ends.begin(), lo);
  ends.push_back(hi);
  const auto f = [&](long double y) {
    long double sum = 0;
    for (std::size_t i = c.size(); i-- > 0;) sum = c[i] + y * sum;
    return sum;
  };
  std::vector<long double> roots;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    const bool positive = f(ends[i]) > 0;
    if (positive != (f(ends[i + 1]) > 0))
      roots.push_back(sign_change(ends[i], ends[i + 1], positive, f));
  }
  return roots;
}

Interval image(const OddPolynomial& p, const Interval& from) {
  std::vector<long double> slope;  // p' as a polynomial in y = x^2
  for (std::size_t k = 0; k < p.terms; ++k) {
    slope.push_back(static_cast<long double>(2 * k + 1) * p[k]);
  }
  const long double at_lower = value(p, from.lower);
  const long double at_upper = value(p, from.upper);
  Interval to{std::min(at_lower, at_upper), std::max(at_lower, at_upper)};
  const long double largest = std::max(std::abs(from.lower), std::abs(from.upper));
  for (const long double y : sign_changes(slope, 0, largest * largest)) {
    for (const long double x : {std::sqrt(y), -std::sqrt(y)}) {
      if (x <= from.lower || x >= from.upper) continue;
      to.lower = std::min(to.lower, value(p, x));
      to.upper = std::max(to.upper, value(p, x));
    }
  }
  return to;
}

Interval image(std::span<const OddPolynomial> steps, double lower, double upper) {
  Interval interval{lower, upper};
  for (const OddPolynomial& p : steps) {
    interval = image(p, interval);
    if (!std::isfinite(interval.upper - interval.lower)) {  // diverged
      constexpr long double kInfinity = std::numeric_limits<long double>::infinity();
      return {-kInfinity, kInfinity};
    }
  }
  return interval;
}

}  // namespace

Minimax minimax(double lower, double upper, int degree) {
  check(lower, upper, degree);
  const std::size_t terms = static_cast<std::size_t>(degree + 1) / 2;
  const Exchange exchange(lower, upper, terms);
  return {rounded(exchange, terms, 1), static_cast<double>(exchange.error())};
}

void Generate::fields(FieldVisitor& v) {
  v.real("lower", lower, kPositive, "smallest singular value that the steps are made for");
  v.real("upper", upper, kPositive, "largest one, after the division by the norm");
  v.integer("degree", degree, {.lo = 3, .hi = 15}, "odd degree of every step");
  v.integer("steps", steps, {.lo = 0, .hi = 1000}, "number of steps");
  v.real("safety", safety, {.lo = 1},
         "factor by which values may exceed every interval but the last");
  v.real("cushion", cushion, kUnitBelowOne, "each step is fitted above this part of its interval");
}

std::vector<OddPolynomial> generate(const Generate& options) {
  check(options.lower, options.upper, options.degree);
  check_cushion(options.cushion);
  if (!(options.safety >= 1) || !std::isfinite(options.safety)) {
    throw ConfigError({.what = "safety factor of a composition",
                       .expected = "a number in [1, inf)",
                       .found = shortest(options.safety)});
  }
  const std::size_t terms = static_cast<std::size_t>(options.degree + 1) / 2;
  std::vector<OddPolynomial> steps;
  Interval interval{options.lower, options.upper};
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const OddPolynomial p = fitted(interval, terms, options.cushion);
    steps.push_back(step + 1 < options.steps ? with_safety(p, options.safety) : p);
    interval = next(steps.back(), interval);
  }
  return steps;
}

std::vector<OddPolynomial> generate_to(double lower, double upper, int degree, double error,
                                       double cushion) {
  check(lower, upper, degree);
  check_cushion(cushion);
  if (!(error > 0)) {
    throw ConfigError({.what = "error of a composition",
                       .expected = "a number in (0, inf)",
                       .found = shortest(error)});
  }
  const double reachable = std::max(error, 0x1p-50);
  const std::size_t terms = static_cast<std::size_t>(degree + 1) / 2;
  std::vector<OddPolynomial> steps;
  Interval interval{lower, upper};
  bool done = std::max(1 - interval.lower, interval.upper - 1) <= reachable;
  while (!done) {
    const OddPolynomial p = fitted(interval, terms, cushion);
    done = 1 - next(p, interval).lower <= reachable;
    steps.push_back(done ? p : with_safety(p, kRoundingSafety));
    interval = next(steps.back(), interval);
  }
  return steps;
}

std::int64_t steps_for(double lower, int degree, double error, double cushion) {
  return static_cast<std::int64_t>(generate_to(lower, 1, degree, error, cushion).size());
}

std::pair<double, double> composition_range(std::span<const OddPolynomial> steps, double lower,
                                            double upper) {
  const Interval interval = image(steps, lower, upper);
  return {static_cast<double>(interval.lower), static_cast<double>(interval.upper)};
}

double composition_error(std::span<const OddPolynomial> steps, double lower, double upper) {
  const Interval interval = image(steps, lower, upper);
  return static_cast<double>(std::max(std::abs(1 - interval.lower), std::abs(interval.upper - 1)));
}

}  // namespace muonflow::linalg
