#include "muonflow/linalg/polar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/detail/guarded_norm.hpp"
#include "muonflow/linalg/polar/newton_schulz.hpp"
#include "muonflow/linalg/polar/qdwh.hpp"
#include "muonflow/linalg/polar/spectral_map.hpp"
#include "muonflow/linalg/polar/zolotarev.hpp"

namespace muonflow::linalg {

namespace {

// The table of a method that has one: both enums list the same names in the same order.
Table table_of(PolarMethod method) { return static_cast<Table>(method); }
constexpr bool same_names() {
  for (std::size_t i = 0; i < EnumNames<Table>::names.size(); ++i) {
    if (EnumNames<Table>::names[i] != EnumNames<PolarMethod>::names[i]) return false;
  }
  return true;
}
static_assert(same_names());

}  // namespace

void Polar::fields(FieldVisitor& v) {
  v.choice("polar", method, "how the matrix is orthogonalized");
  v.optional_integer("ns_steps", ns_steps, {.lo = 0, .hi = 1000},
                     "steps of a polynomial method; off: 5, for turbo 4");
  v.real("eps", eps, kNonNegative, "guards the division by the norm");
  v.choice("eps_mode", eps_mode, "divide by norm + eps (add) or by the larger of both (max)");
}

std::int64_t Polar::step_count() const {
  if (!steps.empty()) return static_cast<std::int64_t>(steps.size());
  return ns_steps.value_or(method == PolarMethod::turbo ? 4 : 5);
}

OddPolynomial Polar::step(std::int64_t t) const {
  if (!steps.empty()) return steps[static_cast<std::size_t>(t)];
  return table_step(table_of(method), t, step_count());
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
Outcome polar(MatrixRef<T> x, const Polar& options, Workspace<T>& workspace,
              IterationReport* report) {
  if (report != nullptr) *report = {};
  if (!options.polynomial()) {
    if (options.method == PolarMethod::qdwh) return qdwh<T>(x, {}, workspace);
    if (options.method == PolarMethod::zolotarev) return zolotarev<T>(x, {}, workspace);
    return polar_with_values<T>(x, workspace, {});
  }
  const auto [norm, settled] = detail::guarded_norm<T>(x);
  if (settled) return *settled;
  Scratch::Frame frame(workspace);
  const std::span<OddPolynomial> steps = frame.values<OddPolynomial>(options.step_count());
  for (std::size_t t = 0; t < steps.size(); ++t) {
    steps[t] = options.step(static_cast<std::int64_t>(t));
  }
  const bool own = !options.steps.empty();
  const bool turbo = !own && options.method == PolarMethod::turbo;
  const double larger = own ? norm : norm * table_info(table_of(options.method)).norm_factor;
  double divisor =
      options.eps_mode == EpsMode::add ? larger + options.eps : std::max(larger, options.eps);
  // Rows that are scaled to a size of their own forget what all were divided by, unless that took
  // them below the least float.
  if (turbo) divisor = norm;
  return newton_schulz<T>(x,
                          {.steps = steps,
                           .divisor = divisor,
                           .almost_orthogonal = turbo,
                           .formulation = options.formulation},
                          workspace, report);
}

template Outcome polar<float>(MatrixRef<float>, const Polar&, Workspace<float>&, IterationReport*);
template Outcome polar<double>(MatrixRef<double>, const Polar&, Workspace<double>&,
                               IterationReport*);

}  // namespace muonflow::linalg
