#include "muonflow/linalg/roots/top_eigenvalue.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/eigh.hpp"

namespace muonflow::linalg {
namespace {

// Largest eigenvalue of the tridiagonal matrix of the first k steps.
double top_of(std::span<const double> diagonal, std::span<const double> beside, Index k,
              Scratch& scratch) {
  Scratch::Frame frame(scratch);
  MatrixMap<double> t = frame.matrix<double>(k, k);
  const std::span<double> values = frame.values<double>(k);
  t.setZero();
  for (Index i = 0; i < k; ++i) {
    t(i, i) = diagonal[static_cast<std::size_t>(i)];
    if (i > 0) t(i, i - 1) = beside[static_cast<std::size_t>(i - 1)];
  }
  const Outcome outcome = eigh_in_place<double>(t, values.data(), scratch);
  return outcome.ok() ? values.back() : diagonal[0];
}

}  // namespace

double top_eigenvalue(const ConstMatrixRef<double>& a, Scratch& scratch) {
  const Index n = a.rows();
  if (n == 0) return 0;
  constexpr Index kMost = 128;
  constexpr Index kBetweenChecks = 4;
  const Index most = std::min(n, kMost);
  Scratch::Frame frame(scratch);
  MatrixMap<double> basis = frame.matrix<double>(most, n);  // its rows
  MatrixMap<double> next = frame.matrix<double>(1, n);
  const std::span<double> diagonal = frame.values<double>(most);
  const std::span<double> beside = frame.values<double>(most);
  Rng rng(1, 0);
  for (Index j = 0; j < n; ++j) basis(0, j) = rng.normal();
  basis.row(0) /= basis.row(0).norm();
  double top = 0;
  for (Index k = 0; k < most; ++k) {
    const auto at = static_cast<std::size_t>(k);
    constexpr Index kRowsAThread = 64;
    parallel_for(n, kRowsAThread, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) next(0, i) = a.row(i).dot(basis.row(k));
    });
    diagonal[at] = next.row(0).dot(basis.row(k));
    for (int pass = 0; pass < 2; ++pass) {
      for (Index i = 0; i <= k; ++i) next.row(0) -= next.row(0).dot(basis.row(i)) * basis.row(i);
    }
    beside[at] = next.row(0).norm();
    const bool exhausted = k + 1 == most || beside[at] <= 1e-14 * diagonal[0];
    if (exhausted || (k + 1) % kBetweenChecks == 0) {
      const double before = top;
      top = top_of(diagonal, beside, k + 1, scratch);
      if (exhausted || top - before <= 1e-9 * top) break;
    }
    basis.row(k + 1) = next.row(0) / beside[at];
  }
  return std::max(top, 0.0);
}

}  // namespace muonflow::linalg
