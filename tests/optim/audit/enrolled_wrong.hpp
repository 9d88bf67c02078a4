// Enrolls a rule whose step goes wrong. The fault is chosen when the program runs, so that a kernel
// is compiled once for each rule, not once for each of its faults.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "muonflow/optim/enrolled.hpp"

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

// The rule R but for its step, as enrolled.hpp takes rules.
template <class R>
struct WithFault {
  using Options = typename R::Options;
  template <class T>
  using State = typename R::template State<T>;

  Options options;
  Fault<R> fault;

  template <class T>
  void start(const StartContext<T>& at, State<T>& state) const {
    if constexpr (requires { R{options}.start(at, state); }) R{options}.start(at, state);
  }
  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    return fault.step(R{options}, at, state, D);
  }
};

template <class R>
class WrongRule final : public AnyRule {
 public:
  WrongRule(const RuleInfo& info, const Fault<R>& fault)
      : info_(info), rule_{.options = {}, .fault = fault} {}

  const RuleInfo& info() const override { return info_; }
  void fields(FieldVisitor& v) override { rule_.options.fields(v); }
  void check(const std::string&) const override {}
  Transfer transfer(Index, Index) const override { return info_.transfer; }
  std::unique_ptr<RuleKernel<float>> kernel(float) const override {
    return std::make_unique<optim::detail::KernelOf<WithFault<R>, float>>(rule_);
  }
  std::unique_ptr<RuleKernel<double>> kernel(double) const override {
    return std::make_unique<optim::detail::KernelOf<WithFault<R>, double>>(rule_);
  }

 private:
  const RuleInfo& info_;
  WithFault<R> rule_;
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
