// Enrolls a rule whose step goes wrong. Rule and kernel are those of enrolled.hpp but for the step,
// which is chosen when the program runs: they are compiled once for each rule, not once for each of
// its faults.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim::wrong {

constexpr RuleInfo named(RuleInfo info, std::string_view name) {
  info.name = name;
  return info;
}

// What a fault does in place of rule.step(at, state, D).
template <class R, class T>
using FaultyStep = StepResult (*)(const R& rule, const StepContext<T>& at,
                                  typename R::template State<T>& state, MatrixRef<T> D);
template <class R>
struct Fault {
  FaultyStep<R, float> on_floats;
  FaultyStep<R, double> on_doubles;

  StepResult step(const R& rule, const StepContext<float>& at,
                  typename R::template State<float>& state, MatrixRef<float> D) const {
    return on_floats(rule, at, state, D);
  }
  StepResult step(const R& rule, const StepContext<double>& at,
                  typename R::template State<double>& state, MatrixRef<double> D) const {
    return on_doubles(rule, at, state, D);
  }
};

template <class R, class T>
class WrongKernel final : public RuleKernel<T> {
 public:
  WrongKernel(const R& rule, const Fault<R>& fault) : rule_(rule), fault_(fault) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto state = std::make_unique<Held>();
    Zeros zeros(rows, cols);
    state->value.fields(zeros, rule_.options);
    const StartContext<T> at{rows, cols, rng};
    if constexpr (requires { rule_.start(at, state->value); }) rule_.start(at, state->value);
    return state;
  }
  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    return fault_.step(rule_, at, static_cast<Held&>(state).value, D);
  }
  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    static_cast<Held&>(state).value.fields(visitor, rule_.options);
  }
  double* momentum() override {
    if constexpr (requires { rule_.options.momentum; }) return &rule_.options.momentum;
    if constexpr (requires { rule_.options.mu; }) return &rule_.options.mu;
    return nullptr;
  }

 private:
  struct Held final : RuleState<T> {
    typename R::template State<T> value;
  };
  class Zeros final : public StateVisitor<T> {
    using StateVisitor<T>::StateVisitor;
    void visit(std::string_view, Matrix<T>& value, Index rows, Index cols, bool) override {
      value.setZero(rows, cols);
    }
  };

  R rule_;
  Fault<R> fault_;
};

template <class R>
class WrongRule final : public AnyRule {
 public:
  WrongRule(const RuleInfo& info, const Fault<R>& fault) : info_(info), fault_(fault) {}

  const RuleInfo& info() const override { return info_; }
  void fields(FieldVisitor& v) override { rule_.options.fields(v); }
  void check(const std::string&) const override {}
  Transfer transfer(Index, Index) const override { return info_.transfer; }
  std::unique_ptr<RuleKernel<float>> kernel(float) const override {
    return std::make_unique<WrongKernel<R, float>>(rule_, fault_);
  }
  std::unique_ptr<RuleKernel<double>> kernel(double) const override {
    return std::make_unique<WrongKernel<R, double>>(rule_, fault_);
  }

 private:
  const RuleInfo& info_;
  Fault<R> fault_;
  R rule_{};
};

// The rule R with the fault F, under the name of the fault.
template <class R, class F>
struct EnrolledWrong {
  static constexpr RuleInfo kInfo = named(R::info, F::kName);
  template <class T>
  static StepResult step(const R& rule, const StepContext<T>& at,
                         typename R::template State<T>& state, MatrixRef<T> D) {
    return F::step(rule, at, state, D);
  }
  EnrolledWrong() {
    optim::detail::rule_registry().add(
        {std::string(F::kName), kInfo, {}, []() -> std::unique_ptr<AnyRule> {
           return std::make_unique<WrongRule<R>>(kInfo, Fault<R>{step<float>, step<double>});
         }});
  }
};

}  // namespace muonflow::optim::wrong
