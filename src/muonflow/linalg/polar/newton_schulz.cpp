#include "muonflow/linalg/polar/newton_schulz.hpp"

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

// to <- x / divisor, or its transpose: `to` is wide. Division, not multiplication by the
// reciprocal, which would overflow for a tiny divisor.
template <class T>
void load_wide(const ConstMatrixRef<T>& x, double divisor, MatrixMap<T> to) {
  if (x.rows() > x.cols()) {
    detail::transpose<T>(x.rows(), x.cols(), x.data(), x.outerStride(), to.data(), to.cols());
  } else {
    to = x;
  }
  constexpr Index kWorthAThread = Index{1} << 16;
  parallel_for(to.size(), kWorthAThread, [&](Index begin, Index end) {
    T* const values = to.data();
    for (Index i = begin; i < end; ++i) {
      values[i] = static_cast<T>(static_cast<double>(values[i]) / divisor);
    }
  });
}

template <class T>
void store_wide(const ConstMatrixRef<T>& from, MatrixRef<T> x) {
  if (x.rows() > x.cols()) {
    detail::transpose<T>(from.rows(), from.cols(), from.data(), from.outerStride(), x.data(),
                         x.outerStride());
  } else {
    x = from;
  }
}

}  // namespace

Quintic quintic_step(PolarMethod method, std::int64_t step) {
  switch (method) {
    case PolarMethod::jordan:
      return kJordan;
    case PolarMethod::polar_express:
      return polar_express_step(static_cast<std::size_t>(step));
    case PolarMethod::classic:
    case PolarMethod::svd:
      break;
  }
  return kClassic;
}

template <class T>
Outcome newton_schulz(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace) {
  if (x.size() == 0) return {};
  const double norm = frobenius_norm<T>(x);
  if (!std::isfinite(norm)) {
    // Finite entries whose norm is beyond the largest double cannot be divided by it.
    const Status status = all_finite<T>(x) ? Status::non_finite_result : Status::non_finite_input;
    return {.status = status, .changed = false};
  }
  const double divisor =
      options.eps_mode == EpsMode::add ? norm + options.eps : std::max(norm, options.eps);
  if (norm == 0) {
    x.setZero();
    return {};
  }
  const Index r = std::min(x.rows(), x.cols());
  const Index wide = std::max(x.rows(), x.cols());
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> current = frame.matrix(r, wide);
  MatrixMap<T> next = frame.matrix(r, wide);
  MatrixMap<T> gram = frame.matrix(r, r);
  MatrixMap<T> polynomial = frame.matrix(r, r);
  load_wide<T>(x, divisor, current);
  T* from = current.data();
  T* to = next.data();
  for (std::int64_t step = 0; step < options.ns_steps; ++step) {
    const Quintic p = quintic_step(options.method, step);
    const MatrixMap<T> now(from, r, wide, Eigen::OuterStride<>(wide));
    MatrixMap<T> then(to, r, wide, Eigen::OuterStride<>(wide));
    symmetric_product<T>(T(1), now, T(0), gram, workspace);
    polynomial = gram;
    symmetric_square<T>(static_cast<T>(p.c), gram, static_cast<T>(p.b), polynomial);
    polynomial.diagonal().array() += static_cast<T>(p.a);  // a I + b A + c A^2
    gemm<T>(Op::none, Op::none, T(1), polynomial, now, T(0), then);
    std::swap(from, to);
  }
  const ConstMatrixMap<T> result(from, r, wide, Eigen::OuterStride<>(wide));
  if (!all_finite<T>(result)) return {.status = Status::non_finite_result, .changed = false};
  store_wide<T>(result, x);
  return {};
}

template Outcome newton_schulz<float>(MatrixRef<float>, const Polar&, Workspace<float>&);
template Outcome newton_schulz<double>(MatrixRef<double>, const Polar&, Workspace<double>&);

}  // namespace muonflow::linalg
