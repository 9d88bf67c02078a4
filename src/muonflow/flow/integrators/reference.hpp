// reference: an embedded Runge-Kutta-Fehlberg method of order 8 (error estimate of order 7) with
// step control, on (W, M, dissipated), from Boost.Odeint. What other integrators are judged by.
//
//   y' = f(y), f(W, M) = (-grad Phi(M), gamma (G(W) - M), mean <M, grad Phi(M)>)
//   momentum-free: f(W) = (-grad Phi(G(W)), 0, mean <G, grad Phi(G)>)
//
// It ends at every multiple of `step`, with as many steps of its own in between as it takes to keep
// every component's local error below tolerance (1 + |y| + |y'| dt); 1e-12 unless given, and for
// float, whose forces have no more digits, never below 1e-6. The force of T is used, the states in
// between are double. An error that cannot be kept even with steps of 1e-12 h is not_converged.
// E. Fehlberg, NASA TR R-287 (1968).
#pragma once

#include <functional>
#include <vector>

#include "muonflow/flow/detail/enroll_integrator.hpp"

namespace muonflow::flow {

template <class T>
class Reference final : public Integrator<T> {
 public:
  static constexpr IntegratorInfo kInfo{
      .name = "reference",
      .order = 8,
      .gradients_per_step = 14,  // one of its own steps, and the force at the end
      .momentum_free = true,
      .shares = true,
      .controls_error = true,
      .dissipation = "the rate <M, grad Phi(M)> integrated as one more component",
      .cite = "Fehlberg 1968; Boost.Odeint"};

  explicit Reference(const IntegratorOptions& options);
  const IntegratorInfo& info() const override { return kInfo; }
  StepOutcome step(const System<T>& system, double h, State<T>& state) override;

 private:
  using Vector = std::vector<double>;  // W, then M, then the dissipated energy

  void derivative(const System<T>& system, const Vector& y, Vector& slope);
  void unpack(const Vector& y, Index at, Matrix<T>& into) const;

  double tolerance_;
  Vector y_;
  Matrix<T> W_, M_, G_, V_;
  Outcome trouble_;
};

extern template class Reference<float>;
extern template class Reference<double>;

}  // namespace muonflow::flow
