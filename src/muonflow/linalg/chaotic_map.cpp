#include "muonflow/linalg/chaotic_map.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

constexpr Index kValuesAThread = Index{1} << 16;

double one_step(double x, double gain) {
  const double rest = 1 - x * x;
  return gain * x * rest * rest;
}

// By division: the reciprocal of a tiny norm would overflow.
template <class T>
void divide(MatrixMap<T> x, double divisor) {
  parallel_for(x.size(), kValuesAThread, [&](Index begin, Index end) {
    T* const values = x.data();
    for (Index i = begin; i < end; ++i) {
      values[i] = static_cast<T>(static_cast<double>(values[i]) / divisor);
    }
  });
}

}  // namespace

void ChaoticMap::fields(FieldVisitor& v) {
  v.integer("ns_steps", ns_steps, {.lo = 0, .hi = 1000}, "steps of the map");
  v.real("gain", gain, kPositive, "of every step; chaotic and bounded near 4.1");
  v.real("divisor", divisor, kPositive, "divides the result");
  v.real("eps", eps, kNonNegative, "added to the norm that the matrix is divided by");
}

double chaotic_value(double x, const ChaoticMap& options) {
  for (std::int64_t step = 0; step < options.ns_steps; ++step) x = one_step(x, options.gain);
  return x / options.divisor;
}

double rounding_growth(const ChaoticMap& options) {
  constexpr int kPoints = 1 << 16;
  double largest = 1;
  for (int i = 0; i <= kPoints; ++i) {
    double x = static_cast<double>(i) / kPoints;
    double slope = 1;  // the largest of any last steps so far
    for (std::int64_t step = 0; step < options.ns_steps; ++step) {
      const double square = x * x;
      slope = std::max(1.0, slope) * options.gain * std::abs((1 - square) * (1 - 5 * square));
      x = one_step(x, options.gain);
    }
    largest = std::max(largest, slope);
  }
  return largest / options.divisor;
}

template <class T>
Outcome chaotic_map(MatrixRef<T> x, const ChaoticMap& options, Workspace<T>& workspace) {
  if (x.size() == 0) return {};
  const double norm = frobenius_norm<T>(x);
  if (!std::isfinite(norm)) {
    const Status status = all_finite<T>(x) ? Status::non_finite_result : Status::non_finite_input;
    return {.status = status, .changed = false};
  }
  if (norm == 0) {
    x.setZero();
    return {};
  }
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> current = frame.matrix(r, n);
  MatrixMap<T> next = frame.matrix(r, n);
  MatrixMap<T> rest = frame.matrix(r, r);
  MatrixMap<T> square = frame.matrix(r, r);
  if (tall) {
    detail::transpose<T>(n, r, x.data(), x.outerStride(), current.data(), n);
  } else {
    current = x;
  }
  divide<T>(current, norm + options.eps);
  T* from = current.data();
  T* to = next.data();
  for (std::int64_t step = 0; step < options.ns_steps; ++step) {
    const MatrixMap<T> now(from, r, n, Eigen::OuterStride<>(n));
    MatrixMap<T> then(to, r, n, Eigen::OuterStride<>(n));
    symmetric_product<T>(T(-1), now, T(0), rest, workspace);
    rest.diagonal().array() += T(1);  // I - X X^T
    symmetric_square<T>(static_cast<T>(options.gain), rest, T(0), square);
    gemm<T>(Op::none, Op::none, T(1), square, now, T(0), then);
    std::swap(from, to);
  }
  MatrixMap<T> result(from, r, n, Eigen::OuterStride<>(n));
  divide<T>(result, options.divisor);
  if (!all_finite<T>(result)) return {.status = Status::non_finite_result, .changed = false};
  if (tall) {
    detail::transpose<T>(r, n, result.data(), n, x.data(), x.outerStride());
  } else {
    x = result;
  }
  return {};
}

template Outcome chaotic_map<float>(MatrixRef<float>, const ChaoticMap&, Workspace<float>&);
template Outcome chaotic_map<double>(MatrixRef<double>, const ChaoticMap&, Workspace<double>&);

}  // namespace muonflow::linalg
