#include "muonflow/flow/integrators/reference.hpp"

#include <algorithm>
#include <boost/numeric/odeint/algebra/range_algebra.hpp>
#include <boost/numeric/odeint/stepper/controlled_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_fehlberg78.hpp>
#include <cmath>
#include <type_traits>

#include "muonflow/flow/detail/elementwise.hpp"

namespace muonflow::flow {

namespace odeint = boost::numeric::odeint;

namespace {

// The largest local error over tolerance (1 + |y| + |y'| dt), of the particles of all ranks: they
// must take the same steps.
class ErrorOverRanks {
 public:
  using value_type = double;

  ErrorOverRanks(double tolerance, dist::Communicator& ranks)
      : tolerance_(tolerance), ranks_(&ranks) {}

  template <class Algebra, class Vector>
  double error(Algebra&, const Vector& y, const Vector& slope, const Vector& error,
               double dt) const {
    double largest = 0;
    for (std::size_t k = 0; k < y.size(); ++k) {
      const double allowed = tolerance_ * (1 + std::abs(y[k]) + std::abs(dt * slope[k]));
      const double ratio = std::abs(error[k]) / allowed;
      // Not finite: far too large.
      largest = std::max(largest, std::isfinite(ratio) ? ratio : kTooLarge);
    }
    ranks_->max({&largest, 1});
    return largest;
  }

 private:
  static constexpr double kTooLarge = 1e30;

  double tolerance_;
  dist::Communicator* ranks_;
};

}  // namespace

template <class T>
Reference<T>::Reference(const IntegratorOptions& options)
    : tolerance_(
          std::max(options.tolerance.value_or(1e-12), std::is_same_v<T, float> ? 1e-6 : 1e-14)) {}

template <class T>
void Reference<T>::unpack(const Vector& y, Index at, Matrix<T>& into) const {
  const double* const from = y.data() + at;
  T* const to = into.data();
  detail::for_each_element(into, [=](std::int64_t k) { to[k] = static_cast<T>(from[k]); });
}

// Trouble stays in trouble_, and the slope is 0: the stepper goes on to the end of its step.
template <class T>
void Reference<T>::derivative(const System<T>& system, const Vector& y, Vector& slope) {
  std::fill(slope.begin(), slope.end(), 0.0);
  if (!trouble_.ok()) return;
  const Index size = W_.size();
  const bool inertial = system.inertial();
  unpack(y, 0, W_);
  if (inertial) unpack(y, size, M_);
  double J = 0;
  Kinetic kinetic;
  trouble_ = system.force(W_, G_, J);
  if (trouble_.ok()) trouble_ = system.velocity(inertial ? M_ : G_, V_, kinetic);
  if (!trouble_.ok()) return;
  double* const to = slope.data();
  const T* const v = V_.data();
  const T* const g = G_.data();
  const double* const m = y.data() + size;
  const double gamma = system.gamma();
  detail::for_each_element(W_, [=](std::int64_t k) {
    to[k] = -static_cast<double>(v[k]);
    if (inertial) to[size + k] = gamma * (static_cast<double>(g[k]) - m[k]);
  });
  slope.back() = kinetic.rate;
}

template <class T>
StepOutcome Reference<T>::step(const System<T>& system, double h, State<T>& state) {
  constexpr double kShortest = 1e-12;  // of h
  const Index size = state.W.size();
  W_.resize(state.W.rows(), state.W.cols());
  M_ = state.M;
  trouble_ = {};
  y_.resize(static_cast<std::size_t>(2 * size + 1));
  std::copy(state.W.data(), state.W.data() + size, y_.begin());
  std::copy(state.M.data(), state.M.data() + size, y_.begin() + size);
  y_.back() = 0;

  using Stepper = odeint::runge_kutta_fehlberg78<Vector>;
  odeint::controlled_runge_kutta<Stepper, ErrorOverRanks> stepper(
      ErrorOverRanks(tolerance_, system.ranks()));
  const auto f = [&](const Vector& y, Vector& slope, double) { derivative(system, y, slope); };
  double t = 0, dt = h;
  while (h - t > kShortest * h) {
    dt = std::min(dt, h - t);
    stepper.try_step(f, y_, t, dt);
    if (!trouble_.ok()) return {.outcome = trouble_};
    if (!(dt > kShortest * h)) return {.outcome = {.status = Status::not_converged}};
  }
  unpack(y_, 0, state.W);
  if (system.inertial()) unpack(y_, size, state.M);
  if (auto o = system.refresh(state); !o.ok()) return {.outcome = o};
  return {.elapsed = h, .dissipated = y_.back()};
}

template class Reference<float>;
template class Reference<double>;

}  // namespace muonflow::flow
