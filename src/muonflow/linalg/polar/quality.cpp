#include "muonflow/linalg/polar/quality.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

// Row by row in double: <a_k, b_k> summed over k.
template <class T>
double pair_sum(const MatrixMap<T>& a, const MatrixMap<T>& b) {
  return a.template cast<double>().cwiseProduct(b.template cast<double>()).sum();
}

template <class T>
double row_dot(const MatrixMap<T>& a, Index i, const MatrixMap<T>& b, Index j) {
  return a.row(i).template cast<double>().dot(b.row(j).template cast<double>());
}

// Applies wide matrices to probes held as rows: for tall storage the transposition is the other
// one.
template <class T>
class Applied {
 public:
  Applied(const ConstMatrixRef<T>& a) : a_(a), tall_(a.rows() > a.cols()) {}
  // to [k, n] <- v [k, m] A, and to [k, m] <- v [k, n] A^T, for the wide A.
  void down(const MatrixMap<T>& v, MatrixMap<T>& to) const {
    gemm<T>(Op::none, tall_ ? Op::transpose : Op::none, T(1), v, a_, T(0), to);
  }
  void up(const MatrixMap<T>& v, MatrixMap<T>& to) const {
    gemm<T>(Op::none, tall_ ? Op::none : Op::transpose, T(1), v, a_, T(0), to);
  }

 private:
  const ConstMatrixRef<T>& a_;
  bool tall_;
};

}  // namespace

template <class T>
PolarQuality polar_quality(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x,
                           Scratch& scratch) {
  PolarQuality quality;
  const Index m = std::min(q.rows(), q.cols());
  const Index n = std::max(q.rows(), q.cols());
  if (m == 0) return quality;
  const double norm = frobenius_norm<T>(q);
  if (norm == 0) return quality;
  const Index k = std::clamp<Index>(m / 64, 2, 8);
  Scratch::Frame frame(scratch);
  const Applied<T> by_q(q);
  const Applied<T> by_x(x);
  MatrixMap<T> v = frame.matrix<T>(k, m);
  MatrixMap<T> xv = frame.matrix<T>(k, n);
  MatrixMap<T> qv = frame.matrix<T>(k, n);
  MatrixMap<T> ev = frame.matrix<T>(k, m);
  MatrixMap<T> eev = frame.matrix<T>(k, m);
  MatrixMap<T> hv = frame.matrix<T>(k, m);
  MatrixMap<T> skew = frame.matrix<T>(k, m);
  Rng rng(0x9a11, 0);
  for (Index i = 0; i < v.size(); ++i) v.data()[i] = rng.uniform() < 0.5 ? T(-1) : T(1);

  by_x.down(v, xv);
  by_q.down(v, qv);
  by_x.up(xv, ev);
  by_q.up(xv, hv);
  by_x.up(qv, skew);
  const T half = T(0.5);
  for (Index i = 0; i < hv.size(); ++i) {
    const T a = hv.data()[i];
    const T b = skew.data()[i];
    hv.data()[i] = half * (a + b);
    skew.data()[i] = half * (a - b);
  }
  ev -= v;
  by_x.down(ev, xv);
  by_x.up(xv, eev);
  eev -= ev;
  by_x.down(hv, xv);  // Q^T v - X^T H v
  qv -= xv;

  const auto probes = static_cast<double>(k);
  const auto rows = static_cast<double>(m);
  quality.orthogonality_error = std::sqrt(pair_sum(ev, ev) / probes / rows);
  quality.residual = std::sqrt(pair_sum(qv, qv) / probes) / norm;
  quality.asymmetry = std::sqrt(pair_sum(skew, skew) / probes) / norm;
  quality.pairing = q.template cast<double>().cwiseProduct(x.template cast<double>()).sum();
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
  // Rayleigh and Ritz on the span of the probes, which are nearly orthogonal, of length sqrt(m).
  MatrixMap<double> projected = frame.matrix<double>(k, k);
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j < k; ++j) projected(i, j) = row_dot(v, i, hv, j) / rows;
  }
  projected = (0.5 * (projected + projected.transpose())).eval();
  const std::span<double> ritz_values = frame.values<double>(k);
  if (projected.allFinite() && eigh_in_place<double>(projected, ritz_values.data(), scratch).ok()) {
    const double mean = quality.pairing / rows;
    quality.definiteness = mean != 0 ? ritz_values.front() / std::abs(mean) : 0;
  }
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
