#include "muonflow/geometry/smoothed_nuclear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/geometry/detail/over_contiguous.hpp"
#include "muonflow/geometry/detail/spectral_potential.hpp"
#include "muonflow/geometry/detail/unit_ball.hpp"
#include "muonflow/linalg/batched/batched_regularized_polar.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::geometry {

template <class T>
double SmoothedNuclear<T>::value(const ConstMatrixRef<T>& p,
                                 linalg::Workspace<T>& workspace) const {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(p.rows(), p.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(p, s.data(), workspace);
  if (!outcome.ok()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = s.size(); i-- > 0;) {
    sum += linalg::smoothed_value(static_cast<double>(s[i]), options_.epsilon);
  }
  return sum;
}

template <class T>
void SmoothedNuclear<T>::scaled_values(const ConstMatrixRef<T>& p, std::span<const double> scales,
                                       std::span<double> values,
                                       linalg::Workspace<T>& workspace) const {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(p.rows(), p.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(p, s.data(), workspace);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    values[j] = outcome.ok() ? 0 : std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = s.size(); i-- > 0;) {
      values[j] += linalg::smoothed_value(scales[j] * static_cast<double>(s[i]), options_.epsilon);
    }
  }
}

template <class T>
void SmoothedNuclear<T>::scaled_values_of(const linalg::MatrixRun<T>& p,
                                          std::span<const double> scales, std::span<double> values,
                                          linalg::Workspace<T>& workspace) const {
  if (options_.kernel == BatchKernel::reference) {
    Potential<T>::scaled_values_of(p, scales, values, workspace);
    return;
  }
  detail::scaled_sums_of<T>(p, scales, values, workspace, [this](double s) {
    return linalg::smoothed_value(s, options_.epsilon);
  });
}

template <class T>
ValueAndGradient SmoothedNuclear<T>::value_and_gradient(MatrixRef<T> p,
                                                        linalg::Workspace<T>& workspace) const {
  const auto result = linalg::regularized_polar_with_potential<T>(p, options_.epsilon, workspace);
  return {.outcome = result.outcome, .value = result.potential, .pairing = result.pairing};
}

template <class T>
Outcome SmoothedNuclear<T>::values_and_gradients(const Batch<T>& p, std::span<double> values,
                                                 std::span<double> pairings,
                                                 linalg::Workspace<T>& workspace) const {
  const bool tiny = std::min(p.rows, p.cols) <= linalg::kMaxBatchedRows &&
                    std::max(p.rows, p.cols) <= linalg::kMaxBatchedCols;
  if (!tiny || options_.kernel == BatchKernel::reference) {
    return Potential<T>::values_and_gradients(p, values, pairings, workspace);
  }
  const linalg::BatchedRegularizedPolar map{.epsilon = options_.epsilon};
  return detail::over_contiguous(p, workspace, [&](T* x, Index first, Index count) -> Outcome {
    const auto at = static_cast<std::size_t>(first);
    const auto size = static_cast<std::size_t>(count);
    const auto outcome = linalg::batched_regularized_polar<T>(
        x, count, p.rows, p.cols, map,
        {.potential = values.subspan(at, size), .pairing = pairings.subspan(at, size)});
    return {.status = outcome.status};
  });
}

template <class T>
std::optional<double> SmoothedNuclear<T>::conjugate(const ConstMatrixRef<T>& x,
                                                    linalg::Workspace<T>& workspace) const {
  typename linalg::Workspace<T>::Frame frame(workspace);
  const std::span<T> s = frame.values(std::min(x.rows(), x.cols()));
  const Outcome outcome = linalg::singular_values_into<T>(x, s.data(), workspace);
  if (!outcome.ok()) return std::numeric_limits<double>::quiet_NaN();
  if (!s.empty() && !detail::in_unit_ball<T>(static_cast<double>(s[0]), x)) {
    return std::numeric_limits<double>::infinity();
  }
  double sum = 0;
  for (std::size_t i = s.size(); i-- > 0;) {
    // 1 - sqrt(1 - x^2) = x^2 / (1 + sqrt(1 - x^2)): nothing cancels.
    const double value = std::min(1.0, static_cast<double>(s[i]));
    sum += value * value / (1 + std::sqrt((1 - value) * (1 + value)));
  }
  return options_.epsilon * sum;
}

template <class T>
double SmoothedNuclear<T>::strong_convexity(double radius) const {
  const double root = std::hypot(radius, options_.epsilon);
  const double ratio = options_.epsilon / root;
  return ratio * ratio / root;
}

template class SmoothedNuclear<float>;
template class SmoothedNuclear<double>;

}  // namespace muonflow::geometry
