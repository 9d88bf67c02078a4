#include "muonflow/linalg/polar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/linalg/polar/newton_schulz.hpp"
#include "muonflow/linalg/polar/spectral_map.hpp"

namespace muonflow::linalg {

void Polar::fields(FieldVisitor& v) {
  v.choice("polar", method, "how the matrix is orthogonalized");
  v.integer("ns_steps", ns_steps, {.lo = 0, .hi = 1000}, "steps of a polynomial method");
  v.real("eps", eps, kNonNegative, "guards the division by the norm");
  v.choice("eps_mode", eps_mode, "divide by norm + eps (add) or by the larger of both (max)");
}

template <class T>
double support_cutoff(Index rows, Index cols, double s_max, double norm) {
  constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
  if constexpr (sizeof(T) == sizeof(float)) {
    return kEpsilon * norm;
  } else {
    return static_cast<double>(std::max(rows, cols)) * kEpsilon * s_max;
  }
}

template double support_cutoff<float>(Index, Index, double, double);
template double support_cutoff<double>(Index, Index, double, double);

template <class T>
Outcome polar_with_values(MatrixRef<T> x, Workspace<T>& workspace,
                          const std::function<void(std::span<const double> s)>& values) {
  return map_singular_values<T>(
      x,
      [&](std::span<double> s) {
        if (values) values(s);
        double squares = 0;  // of s / s_max, which cannot overflow
        for (const double value : s) squares += s[0] > 0 ? (value / s[0]) * (value / s[0]) : 0;
        const double cutoff =
            support_cutoff<T>(x.rows(), x.cols(), s[0], s[0] * std::sqrt(squares));
        for (double& value : s) value = value > cutoff ? 1 : 0;
      },
      workspace);
}

template Outcome polar_with_values<float>(MatrixRef<float>, Workspace<float>&,
                                          const std::function<void(std::span<const double>)>&);
template Outcome polar_with_values<double>(MatrixRef<double>, Workspace<double>&,
                                           const std::function<void(std::span<const double>)>&);

template <class T>
Outcome polar(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace) {
  if (options.method == PolarMethod::svd) return polar_with_values<T>(x, workspace, {});
  return newton_schulz<T>(x, options, workspace);
}

template Outcome polar<float>(MatrixRef<float>, const Polar&, Workspace<float>&);
template Outcome polar<double>(MatrixRef<double>, const Polar&, Workspace<double>&);

}  // namespace muonflow::linalg
