#include "muonflow/linalg/polar/rational.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/extreme_values.hpp"
#include "muonflow/linalg/detail/resolvent.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
constexpr double kRoundoff = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;

// How far the estimates of the extreme singular values are trusted.
constexpr double kTrust = 2;

// The largest slope^2 for which I + W W^T is formed.
constexpr double kCholeskyCondition = 100;

constexpr Index kWorthAThread = Index{1} << 14;

// to <- x / divisor, wide. Division by a power of two is exact, and its reciprocal may not exist.
template <class T>
void load(const ConstMatrixRef<T>& x, double divisor, MatrixMap<T> to) {
  if (x.rows() > x.cols()) {
    detail::transpose<T>(x.rows(), x.cols(), x.data(), x.outerStride(), to.data(), to.cols());
  } else {
    to = x;
  }
  T* const values = to.data();
  parallel_for(to.size(), kWorthAThread, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      values[i] = static_cast<T>(static_cast<double>(values[i]) / divisor);
    }
  });
}

template <class T>
void store(const ConstMatrixRef<T>& from, MatrixRef<T> x) {
  if (x.rows() > x.cols()) {
    detail::transpose<T>(from.rows(), from.cols(), from.data(), from.outerStride(), x.data(),
                         x.outerStride());
  } else {
    x = from;
  }
}

// The iteration on a square x whose singular values lie in [l, 1] up to roundoff.
template <class T>
class SquareIteration {
 public:
  SquareIteration(MatrixMap<T> x, RationalStep next, const RationalPolar& options, Scratch& scratch,
                  RationalPolarReport& report)
      : x_(x), next_(next), options_(options), scratch_(scratch), report_(report) {}

  Outcome run(double l) {
    // A closing step squares the distance from 1 (times 3/2).
    const double closing = std::sqrt(kRoundoff<T>) / 2;
    const auto r = static_cast<double>(x_.rows());
    Scratch::Frame frame(scratch_);
    MatrixMap<T> gram = frame.matrix<T>(x_.rows(), x_.rows());
    for (;;) {
      if (1 - l <= closing) {
        symmetric_product<T>(T(1), x_, T(0), gram, scratch_);
        const double distance = distance_from_identity(gram);
        if (!std::isfinite(distance)) break;
        if (distance <= kRoundoff<T> * r) return {};
        if (exhausted()) break;
        if (distance <= kClose) {
          close(gram);
          if (distance <= std::sqrt(kRoundoff<T> * r)) return {};
          continue;
        }
      }
      if (exhausted()) break;
      const OddRational f = next_(l, report_.steps, closing, options_);
      if (1 - l > closing && any_by_cholesky(f)) {
        symmetric_product<T>(T(1), x_, T(0), gram, scratch_);
      }
      if (!apply(f, gram)) return {.status = Status::non_finite_result, .changed = false};
      if (report_.steps++ == 0) report_.terms = static_cast<std::int64_t>(f.count);
      l = std::min(1.0, std::max(l, f(l)));
    }
    const bool finite = all_finite<T>(x_);
    return {.status = finite ? Status::not_converged : Status::non_finite_result, .changed = false};
  }

 private:
  // Where Newton and Schulz's step is as good as Halley's, for less.
  static constexpr double kClose = 1e-2;

  bool exhausted() const { return report_.steps + report_.products >= options_.max_steps; }

  static double distance_from_identity(const MatrixMap<T>& gram) {
    double squares = 0;
    for (Index i = 0; i < gram.rows(); ++i) {
      const auto diagonal = static_cast<double>(gram(i, i));
      const double rest = gram.row(i).template cast<double>().squaredNorm() - diagonal * diagonal;
      squares += std::max(rest, 0.0) + (diagonal - 1) * (diagonal - 1);
    }
    return std::sqrt(squares);
  }

  // x <- (3 x - gram x) / 2.
  void close(const MatrixMap<T>& gram) {
    Scratch::Frame frame(scratch_);
    MatrixMap<T> before = frame.matrix<T>(x_.rows(), x_.cols());
    before = x_;
    gemm<T>(Op::none, Op::none, T(-0.5), gram, before, T(1.5), x_);
    ++report_.products;
    const auto r = static_cast<double>(x_.rows());
    report_.flops += 3 * r * r * r;
  }

  // x <- f(x); the terms are independent.
  bool apply(const OddRational& f, const MatrixMap<T>& gram) {
    const Index r = x_.rows();
    const Index each = detail::resolvent_scratch(r, r);
    Scratch::Frame frame(scratch_);
    std::array<T*, OddRational::kMaxTerms> out{};
    std::array<T*, OddRational::kMaxTerms> room{};
    std::array<bool, OddRational::kMaxTerms> done{};
    for (std::size_t j = 0; j < f.count; ++j) {
      out[j] = frame.values<T>(r * r).data();
      room[j] = frame.values<T>(each).data();
    }
    const auto term = [&](Index index) {
      const auto j = static_cast<std::size_t>(index);
      const auto slope = static_cast<T>(f.terms[j].slope);
      MatrixMap<T> to(out[j], r, r, Eigen::OuterStride<>(r));
      if (by_qr(f.terms[j])) {
        detail::resolvent_by_qr<T>(slope, x_, to, room[j]);
        done[j] = true;
      } else {
        done[j] = detail::resolvent_by_cholesky<T>(slope, gram, x_, to, room[j]);
      }
    };
    if (f.count == 1) {
      term(0);  // its products may use the threads
    } else {
      parallel_tasks(static_cast<Index>(f.count), term);
    }
    for (std::size_t j = 0; j < f.count; ++j) {
      if (!done[j]) return false;
      ++(by_qr(f.terms[j]) ? report_.qr : report_.cholesky);
    }
    count_flops(f);
    T* const values = x_.data();
    parallel_for(r * r, kWorthAThread, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        T sum = static_cast<T>(f.linear) * values[i];
        for (std::size_t j = 0; j < f.count; ++j) {
          sum += static_cast<T>(f.terms[j].weight) * out[j][i];
        }
        values[i] = sum;
      }
    });
    return true;
  }

  static bool by_qr(const OddRational::Term& term) {
    return term.slope * term.slope > kCholeskyCondition;
  }

  static bool any_by_cholesky(const OddRational& f) {
    return std::any_of(f.terms.begin(), f.terms.begin() + static_cast<std::ptrdiff_t>(f.count),
                       [](const OddRational::Term& term) { return !by_qr(term); });
  }

  void count_flops(const OddRational& f) {
    const auto r = static_cast<double>(x_.rows());
    const double cube = r * r * r;
    if (any_by_cholesky(f)) report_.flops += cube;  // the Gram matrix
    for (std::size_t j = 0; j < f.count; ++j) {
      report_.flops += by_qr(f.terms[j]) ? 8 * cube : 7.0 / 3 * cube;
    }
  }

  MatrixMap<T> x_;
  RationalStep next_;
  const RationalPolar& options_;
  Scratch& scratch_;
  RationalPolarReport& report_;
};

// Everything after the scaling, on w [r, n] wide.
template <class T>
class Solver {
 public:
  Solver(RationalStep next, const RationalPolar& options, Scratch& scratch,
         RationalPolarReport& report)
      : next_(next), options_(options), scratch_(scratch), report_(report) {}

  Outcome solve(MatrixMap<T> w, Index rows, Index cols) {
    const double largest = detail::largest_from_below<T>(w, scratch_);
    report_.upper = std::min(detail::norm_bound<T>(w), kTrust * largest);
    report_.rank = w.rows();
    const double cutoff = support_cutoff<T>(rows, cols, largest, frobenius_norm<T>(w));
    Scratch::Frame frame(scratch_);
    std::optional<detail::Triangle<T>> qr;
    if (w.rows() != w.cols()) qr = detail::triangle<T>(w, scratch_, frame);
    if (options_.lower) return full_rank(w, qr, *options_.lower * largest);
    const double smallest = (qr ? detail::smallest_from_above<T>(*qr, scratch_)
                                : detail::smallest_from_above<T>(w, scratch_)) /
                            kTrust;
    if (smallest > cutoff) return full_rank(w, qr, smallest);
    return on_support(w, qr, cutoff);
  }

 private:
  // w <- polar(w) of full rank, its smallest singular value at least `smallest`; where w is not
  // square, qr is its factorization.
  Outcome full_rank(MatrixMap<T> w, std::optional<detail::Triangle<T>>& qr, double smallest) {
    if (!qr) return iterate(w, smallest);
    const Index r = w.rows();
    Scratch::Frame frame(scratch_);
    MatrixMap<T> square = frame.matrix<T>(r, r);
    square.setZero();
    for (Index i = 0; i < r; ++i) square.row(i).head(i + 1) = qr->factored.row(i).head(i + 1);
    const Outcome outcome = iterate(square, smallest);
    if (!outcome.ok()) return outcome;
    gemm<T>(Op::none, Op::none, T(1), square, qr->form_q(qr->rows(), scratch_), T(0), w);
    return {};
  }

  Outcome iterate(MatrixMap<T> square, double smallest) {
    const double l = std::clamp(smallest / report_.upper,
                                kRoundoff<T> / static_cast<double>(square.rows()), 1.0);
    report_.lower = l;
    const auto divisor = static_cast<T>(report_.upper);
    square /= divisor;
    return SquareIteration<T>(square, next_, options_, scratch_, report_).run(l);
  }

  // w^T P = Q R with pivoting; of R [r, r] the first k rows are kept, k such that no diagonal entry
  // of them is under the cutoff. Then w = (R P^T)^T Q^T, and the polar factor of the first has the
  // full rank k.
  Outcome on_support(MatrixMap<T> w, std::optional<detail::Triangle<T>>& plain, double cutoff) {
    const Index r = w.rows();
    Scratch::Frame frame(scratch_);
    const std::span<int> pivots = frame.values<int>(r);
    detail::Triangle<T> qr = detail::pivoted_triangle<T>(w, pivots, scratch_, frame);
    Index k = 0;
    while (k < r && std::abs(static_cast<double>(qr.factored(k, k))) > cutoff) ++k;
    if (k == r) return full_rank(w, plain, cutoff / kTrust);
    report_.rank = k;
    if (k == 0) {
      w.setZero();
      return {};
    }
    MatrixMap<T> kept = frame.matrix<T>(k, r);
    kept.setZero();
    for (Index j = 0; j < r; ++j) {
      const Index to = pivots[static_cast<std::size_t>(j)] - 1;
      for (Index i = 0; i <= std::min(j, k - 1); ++i) kept(i, to) = qr.factored(j, i);
    }
    std::optional<detail::Triangle<T>> again(detail::triangle<T>(kept, scratch_, frame));
    const double smallest =
        std::max(detail::smallest_from_above<T>(*again, scratch_), cutoff) / kTrust;
    const Outcome outcome = full_rank(kept, again, smallest);
    if (!outcome.ok()) return outcome;
    gemm<T>(Op::transpose, Op::none, T(1), kept, qr.form_q(static_cast<int>(k), scratch_), T(0), w);
    return {};
  }

  RationalStep next_;
  const RationalPolar& options_;
  Scratch& scratch_;
  RationalPolarReport& report_;
};

void check(const RationalPolar& options) {
  if (options.lower && !(*options.lower > 0 && *options.lower <= 1)) {
    throw ConfigError({.place = "lower",
                       .what = "bound of s_min / s_max",
                       .expected = "in (0, 1]",
                       .found = std::to_string(*options.lower)});
  }
  if (options.terms &&
      (*options.terms < 1 || *options.terms > static_cast<std::int64_t>(OddRational::kMaxTerms))) {
    throw ConfigError({.place = "terms",
                       .what = "terms of a rational step",
                       .expected = "1 to " + std::to_string(OddRational::kMaxTerms),
                       .found = std::to_string(*options.terms)});
  }
}

}  // namespace

void RationalPolar::fields(FieldVisitor& v) {
  v.optional_real("lower", lower, {.lo = 0, .hi = 1, .lo_open = true},
                  "known lower bound of the smallest over the largest singular value");
  v.integer("max_steps", max_steps, {.lo = 1, .hi = 1000}, "steps before giving up");
  v.optional_integer("terms", terms, {.lo = 1, .hi = OddRational::kMaxTerms},
                     "terms of a step of zolotarev");
}

template <class T>
Outcome rational_polar(MatrixRef<T> x, RationalStep next, const RationalPolar& options,
                       Workspace<T>& workspace, RationalPolarReport* report) {
  check(options);
  RationalPolarReport scrap;
  RationalPolarReport& told = report != nullptr ? *report : scrap;
  told = {};
  if (x.size() == 0) return {};
  if (!all_finite<T>(x)) return {.status = Status::non_finite_input, .changed = false};
  const double largest = max_abs<T>(x);
  if (largest == 0) {
    x.setZero();
    return {};
  }
  const double divisor = std::ldexp(1.0, std::ilogb(largest));
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> w = frame.matrix(std::min(x.rows(), x.cols()), std::max(x.rows(), x.cols()));
  load<T>(x, divisor, w);
  const Outcome outcome = Solver<T>(next, options, workspace, told).solve(w, x.rows(), x.cols());
  told.upper *= divisor;
  if (!outcome.ok()) return outcome;
  if (!all_finite<T>(w)) return {.status = Status::non_finite_result, .changed = false};
  store<T>(w, x);
  return {};
}

template Outcome rational_polar<float>(MatrixRef<float>, RationalStep, const RationalPolar&,
                                       Workspace<float>&, RationalPolarReport*);
template Outcome rational_polar<double>(MatrixRef<double>, RationalStep, const RationalPolar&,
                                        Workspace<double>&, RationalPolarReport*);

}  // namespace muonflow::linalg
