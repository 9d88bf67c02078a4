#include "muonflow/geometry/nuclear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"
#include "muonflow/linalg/batched/batched_polar.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::geometry {
namespace {

// Smallest first, so that the sum of many small values is not lost beside a large one.
template <class T>
double sum_of(std::span<const T> s) {
  double sum = 0;
  for (std::size_t i = s.size(); i-- > 0;) sum += static_cast<double>(s[i]);
  return sum;
}

}  // namespace

bool nuclear::in_batches(Index rows, Index cols, const linalg::Polar& polar) {
  using linalg::PolarMethod;
  // These two scale their input in a way of their own.
  const bool plain = polar.polynomial() && polar.steps.empty() &&
                     polar.method != PolarMethod::turbo &&
                     polar.method != PolarMethod::polar_express_dion;
  return plain && std::min(rows, cols) <= linalg::kMaxBatchedRows &&
         std::max(rows, cols) <= linalg::kMaxBatchedCols && rows > 0 && cols > 0;
}

template <class T>
void nuclear::steepest_each(const Batch<T>& d, const linalg::Polar& polar,
                            std::span<Outcome> outcomes, linalg::Workspace<T>& workspace) {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const auto steps = frame.template values<linalg::OddPolynomial>(polar.step_count());
  for (std::size_t t = 0; t < steps.size(); ++t) {
    steps[t] = polar.step(static_cast<std::int64_t>(t));
  }
  const linalg::BatchedPolar map{.steps = steps, .eps = polar.eps, .eps_mode = polar.eps_mode};
  const Index size = d.rows * d.cols;
  auto work = frame.matrix(d.count, size);
  const auto gather = [&](Index first, Index count) {
    for (Index i = first; i < first + count; ++i) {
      std::copy_n(d.data + i * d.stride, size, work.row(i).data());
    }
  };
  gather(0, d.count);
  const auto all = linalg::batched_polar<T>(work.data(), d.count, d.rows, d.cols, map);
  for (Index i = 0; i < d.count; ++i) {
    auto& outcome = outcomes[static_cast<std::size_t>(i)];
    outcome = {};
    if (!all.ok()) {  // who is in trouble? One by one they say so, with the same bits
      gather(i, 1);
      const auto one = linalg::batched_polar<T>(work.row(i).data(), 1, d.rows, d.cols, map);
      if (!one.ok()) outcome = {.status = one.status, .changed = false};
    }
    if (outcome.ok()) std::copy_n(work.row(i).data(), size, d.data + i * d.stride);
  }
}

template <class T>
Outcome nuclear::exact_steepest(MatrixRef<T> d, Size& size, linalg::Workspace<T>& workspace) {
  size = {};
  // Two references and no more: what std::function holds without an allocation.
  return linalg::polar_with_values<T>(d, workspace, [&d, &size](std::span<const double> s) {
    if (s[0] == 0) return;
    double squares = 0;  // of s / s_max, which cannot overflow
    for (const double value : s) squares += (value / s[0]) * (value / s[0]);
    const double cutoff =
        linalg::support_cutoff<T>(d.rows(), d.cols(), s[0], s[0] * std::sqrt(squares));
    size.norm = sum_of<double>(s);
    size.rank = std::count_if(s.begin(), s.end(), [=](double value) { return value > cutoff; });
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                  \
  template void nuclear::steepest_each<T>(const Batch<T>&, const linalg::Polar&, \
                                          std::span<Outcome>, linalg::Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

template Outcome nuclear::exact_steepest<float>(MatrixRef<float>, Size&, linalg::Workspace<float>&);
template Outcome nuclear::exact_steepest<double>(MatrixRef<double>, Size&,
                                                 linalg::Workspace<double>&);

template <class T>
double Nuclear<T>::value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(p.rows(), p.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(p, s.data(), workspace);
  return outcome.ok() ? sum_of<T>(s) : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
ValueAndGradient Nuclear<T>::value_and_gradient(MatrixRef<T> p,
                                                linalg::Workspace<T>& workspace) const {
  if (options_.polar.method != linalg::PolarMethod::svd) {
    return Potential<T>::value_and_gradient(p, workspace);
  }
  double sum = 0;
  const Outcome outcome = linalg::polar_with_values<T>(
      p, workspace, [&](std::span<const double> s) { sum = sum_of<double>(s); });
  if (!outcome.ok()) return {.outcome = outcome};
  // <P, U V^T> = sum s: the values below the support's cutoff are lost in its rounding.
  return {.outcome = outcome, .value = sum, .pairing = sum};
}

template <class T>
std::optional<double> Nuclear<T>::conjugate(const ConstMatrixRef<T>& x,
                                            linalg::Workspace<T>& workspace) const {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(x.rows(), x.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(x, s.data(), workspace);
  if (!outcome.ok()) return std::numeric_limits<double>::quiet_NaN();
  return s.empty() || detail::in_unit_ball<T>(static_cast<double>(s[0]), x)
             ? 0
             : std::numeric_limits<double>::infinity();
}

template class Nuclear<float>;
template class Nuclear<double>;

}  // namespace muonflow::geometry
