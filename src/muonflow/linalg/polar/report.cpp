#include "muonflow/linalg/polar/report.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/regularized_polar.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

double relative_distance(const Matrix<double>& x, const Matrix<double>& to) {
  const double scale = frobenius_norm<double>(to);
  const double distance = frobenius_norm<double>(Matrix<double>(x - to));
  return scale > 0 ? distance / scale : distance;
}

}  // namespace

template <class T>
PolarReport polar_report(const ConstMatrixRef<T>& q, const ConstMatrixRef<T>& x,
                         const Polar& options, std::optional<double> epsilon) {
  PolarReport report;
  report.flops = polar_flops(q.rows(), q.cols(), options);
  const Matrix<double> input = q.template cast<double>();
  const Matrix<double> result = x.template cast<double>();
  const Svd<double> f = svd<double>(input);
  if (f.s.size() == 0 || !f.outcome.ok()) return report;
  const double norm = frobenius_norm<double>(input);
  const double cutoff = support_cutoff<T>(q.rows(), q.cols(), f.s[0], norm);
  Index rank = 0;
  while (rank < f.s.size() && f.s[rank] > cutoff) ++rank;
  report.rank = rank;

  Workspace<double> workspace;
  if (rank > 0) {
    // On the support the smaller side's Gram matrix of X is to be I.
    const bool tall = q.rows() > q.cols();
    Matrix<double> restricted(rank, tall ? q.rows() : q.cols());
    if (tall) {
      gemm<double>(Op::none, Op::transpose, 1.0, f.vt.topRows(rank), result, 0.0, restricted);
    } else {
      gemm<double>(Op::transpose, Op::none, 1.0, f.u.leftCols(rank), result, 0.0, restricted);
    }
    Matrix<double> gram(rank, rank);
    symmetric_product<double>(1.0, restricted, 0.0, gram);
    gram.diagonal().array() -= 1.0;
    report.orthogonality_error =
        frobenius_norm<double>(gram) / std::sqrt(static_cast<double>(rank));
  }
  // As a sum of quotients, so that tiny and huge inputs neither underflow nor overflow.
  const double nuclear = f.s.sum();
  if (nuclear > 0) {
    report.dual_gap =
        1 - dot<double>(Matrix<double>(input / f.s[0]), result) / (f.s / f.s[0]).sum();
  }

  Matrix<double> exact(q.rows(), q.cols());
  if (epsilon && *epsilon > 0) {
    exact = input;
    (void)regularized_polar<double>(exact, *epsilon, workspace, RegularizedKernel::reference);
  } else {
    // The support is that of the input's own scalar type.
    gemm<double>(Op::none, Op::none, 1.0, f.u.leftCols(rank), f.vt.topRows(rank), 0.0, exact);
  }
  report.residual = relative_distance(result, exact);
  if (!options.polynomial()) {
    report.kernel_error = report.residual;
  } else {
    Matrix<double> same = input;
    if (epsilon) {
      (void)regularized_polar_by<double>(same, *epsilon, options, workspace);
    } else {
      (void)polar<double>(same, options, workspace);
    }
    report.kernel_error = relative_distance(result, same);
  }
  return report;
}

double polar_flops(Index rows, Index cols, const Polar& options) {
  const auto r = static_cast<double>(std::min(rows, cols));
  const auto n = static_cast<double>(std::max(rows, cols));
  if (!options.polynomial()) return 4 * r * r * n + 22 * r * r * r;
  double flops = 0;
  for (std::int64_t t = 0; t < options.step_count(); ++t) {
    // X X^T and s(A) X, and the products that s(A) takes (polar/newton_schulz.hpp).
    const auto terms = static_cast<double>(options.step(t).terms);
    flops +=
        3 * r * r * n + std::max(0.0, std::ceil((terms - 1) / 2)) * (terms > 2 ? r * r * r : 0);
  }
  return flops;
}

template PolarReport polar_report<float>(const ConstMatrixRef<float>&, const ConstMatrixRef<float>&,
                                         const Polar&, std::optional<double>);
template PolarReport polar_report<double>(const ConstMatrixRef<double>&,
                                          const ConstMatrixRef<double>&, const Polar&,
                                          std::optional<double>);

}  // namespace muonflow::linalg
