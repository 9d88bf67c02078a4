#include "muonflow/geometry/nuclear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"
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
