#include "muonflow/linalg/polar/quality.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "muonflow/core/rng.hpp"
#include "muonflow/core/thread_team.hpp"
#include "muonflow/linalg/detail/probe.hpp"
#include "muonflow/linalg/elementwise/detail/sums.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
double row_dot(const MatrixMap<T>& a, Index i, const MatrixMap<T>& b, Index j) {
  const detail::Rows<T> left{a.data() + i * a.outerStride(), 1, a.cols(), a.cols()};
  const detail::Rows<T> right{b.data() + j * b.outerStride(), 1, b.cols(), b.cols()};
  return detail::sum_of_products(left, right);
}

// Row by row in double: <a_k, b_k> summed over k.
template <class T>
double pair_sum(const MatrixMap<T>& a, const MatrixMap<T>& b) {
  double sum = 0;
  for (Index k = 0; k < a.rows(); ++k) sum += row_dot(a, k, b, k);
  return sum;
}

// A wide matrix, or a tall one read as its transpose, applied to vectors held as rows.
template <class T>
class Applied {
 public:
  explicit Applied(const ConstMatrixRef<T>& a) : a_(a), tall_(a.rows() > a.cols()) {}
  // to [k, n] <- v [k, m] A, and to [k, m] <- v [k, n] A^T, for the wide A.
  void down(const MatrixMap<T>& v, MatrixMap<T>& to) const {
    tall_ ? detail::apply_up<T>(a_, v, to) : detail::apply_down<T>(a_, v, to);
  }
  void up(const MatrixMap<T>& v, MatrixMap<T>& to) const {
    tall_ ? detail::apply_down<T>(a_, v, to) : detail::apply_up<T>(a_, v, to);
  }

 private:
  const ConstMatrixRef<T>& a_;
  bool tall_;
};

// Rows first .. first + count of a.
template <class T>
MatrixMap<T> rows_of(const MatrixMap<T>& a, Index first, Index count) {
  return MatrixMap<T>(const_cast<T*>(a.data()) + first * a.outerStride(), count, a.cols(),
                      Eigen::OuterStride<>(a.outerStride()));
}

template <class T>
PolarQuality estimate(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x, Scratch& scratch) {
  PolarQuality quality;
  const Index m = std::min(q.rows(), q.cols());
  const Index n = std::max(q.rows(), q.cols());
  if (m == 0) return quality;
  constexpr Index k = 2;
  Scratch::Frame frame(scratch);
  const Applied<T> by_q(q);
  const Applied<T> by_x(x);
  // Two kinds of vectors together: one pass over a matrix serves both.
  MatrixMap<T> v = frame.matrix<T>(k, m);
  MatrixMap<T> down = frame.matrix<T>(2 * k, n);
  MatrixMap<T> up = frame.matrix<T>(2 * k, m);
  MatrixMap<T> ev_hv = frame.matrix<T>(2 * k, m);
  MatrixMap<T> back = frame.matrix<T>(2 * k, n);
  MatrixMap<T> eev = frame.matrix<T>(k, m);
  MatrixMap<T> skew = frame.matrix<T>(k, m);
  MatrixMap<T> xv = rows_of(down, 0, k);
  MatrixMap<T> qv = rows_of(down, k, k);
  MatrixMap<T> ev = rows_of(ev_hv, 0, k);
  MatrixMap<T> hv = rows_of(ev_hv, k, k);
  Rng rng(0x9a11, 0);
  std::uint64_t signs = 0;
  for (Index i = 0; i < v.size(); ++i) {
    if (i % 64 == 0) signs = rng.bits64();
    v.data()[i] = (signs >> (i % 64)) & 1 ? T(1) : T(-1);
  }

  const detail::EntrySums entries = detail::first_pass<T>(q, x, v, qv, xv, scratch);
  quality.pairing = entries.products;
  // Squares of doubles may leave the range; those of floats in double do not.
  const bool in_range = entries.squares > 1e-250 && entries.squares < 1e300;
  const double norm = in_range ? std::sqrt(entries.squares) : frobenius_norm<T>(q);
  if (norm == 0) return {};
  by_x.up(down, up);  // X X^T v, X Q^T v
  by_q.up(xv, skew);  // Q X^T v
  ev = rows_of(up, 0, k) - v;
  hv = T(0.5) * (skew + rows_of(up, k, k));
  skew -= hv;
  by_x.down(ev_hv, back);
  qv -= rows_of(back, k, k);  // Q^T v - X^T H v
  MatrixMap<T> once = rows_of(back, 0, k);
  by_x.up(once, eev);
  eev -= ev;

  const auto probes = static_cast<double>(k);
  const auto rows = static_cast<double>(m);
  quality.orthogonality_error = std::sqrt(pair_sum(ev, ev) / probes / rows);
  quality.residual = std::sqrt(pair_sum(qv, qv) / probes) / norm;
  quality.asymmetry = std::sqrt(pair_sum(skew, skew) / probes) / norm;
  // tr H = <Q, X>; tr H E and tr H E^2 by the probes.
  const double first = pair_sum(hv, ev) / probes;
  const double second = pair_sum(hv, eev) / probes;
  const double nuclear = quality.pairing - 0.5 * first + 0.375 * second;
  quality.dual_gap = nuclear > 0 ? 1 - quality.pairing / nuclear : 0;
  // |E (E v)| / |E v| is at most the largest eigenvalue of E by size; Rayleigh's quotient gives its
  // sign.
  double farthest = 0;
  for (Index i = 0; i < k; ++i) {
    const double length = row_dot(ev, i, ev, i);
    if (!(length > 0)) continue;
    const double size = std::sqrt(row_dot(eev, i, eev, i) / length);
    if (size > std::abs(farthest)) farthest = std::copysign(size, row_dot(ev, i, eev, i));
  }
  quality.worst_singular_value = std::sqrt(std::max(0.0, 1 + farthest));
  // Rayleigh and Ritz on the span of the two probes, which are nearly orthogonal, of length
  // sqrt(m).
  const double a = row_dot(v, 0, hv, 0) / rows;
  const double c = row_dot(v, 1, hv, 1) / rows;
  const double b = 0.5 * (row_dot(v, 0, hv, 1) + row_dot(v, 1, hv, 0)) / rows;
  const double mean = quality.pairing / rows;
  const double smallest = 0.5 * (a + c) - std::hypot(0.5 * (a - c), b);
  quality.definiteness = mean != 0 ? smallest / std::abs(mean) : 0;
  return quality;
}

}  // namespace

template <class T>
PolarQuality polar_quality(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x,
                           Scratch& scratch) {
  PolarQuality quality;
  // Six short loops.
  with_team([&] { quality = estimate<T>(q, x, scratch); });
  return quality;
}

template <class T>
Outcome polar_with_quality(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace,
                           PolarQuality& quality) {
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> q = frame.matrix(x.rows(), x.cols());
  q = x;
  IterationReport report;
  const Outcome outcome = polar<T>(x, options, workspace, &report);
  quality = outcome.ok() ? polar_quality<T>(q, x, workspace) : PolarQuality{};
  quality.iteration = report;
  return outcome;
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template PolarQuality polar_quality<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&, \
                                         Scratch&);                                          \
  template Outcome polar_with_quality<T>(MatrixRef<T>, const Polar&, Workspace<T>&, PolarQuality&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
