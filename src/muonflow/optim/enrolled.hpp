// Turns a rule struct into a registry entry; the last line of every rule file.
#pragma once

#include <memory>
#include <string>

#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim {

namespace detail {

template <class R, class T>
class KernelOf final : public RuleKernel<T> {
 public:
  explicit KernelOf(const R& rule) : rule_(rule) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto state = std::make_unique<Held>();
    Zeros zeros(rows, cols);
    state->value.fields(zeros, rule_.options);
    const StartContext<T> at{rows, cols, rng};
    if constexpr (requires { rule_.start(at, state->value); }) rule_.start(at, state->value);
    return state;
  }
  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    return rule_.step(at, static_cast<Held&>(state).value, D);
  }
  bool batches(Index rows, Index cols) const override {
    if constexpr (requires { rule_.batches(rows, cols); }) return rule_.batches(rows, cols);
    return false;
  }
  void begin(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    if constexpr (requires { rule_.batches(at.t, at.t); }) {
      rule_.begin(at, static_cast<Held&>(state).value, D);
    }
  }
  void finish(T* D, Index count, Index rows, Index cols, std::span<Outcome> outcomes,
              linalg::Workspace<T>& scratch) const override {
    if constexpr (requires { rule_.batches(rows, cols); }) {
      rule_.finish(D, count, rows, cols, outcomes, scratch);
    }
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
};

template <class R>
class AnyRuleOf final : public AnyRule {
 public:
  const RuleInfo& info() const override { return R::info; }
  void fields(FieldVisitor& v) override { rule_.options.fields(v); }
  void check(const std::string& place) const override {
    if constexpr (requires { rule_.check(place); }) rule_.check(place);
  }
  Transfer transfer(Index rows, Index cols) const override {
    if constexpr (requires { rule_.transfer(rows, cols); }) return rule_.transfer(rows, cols);
    return R::info.transfer;
  }
  std::unique_ptr<RuleKernel<float>> kernel(float) const override {
    return std::make_unique<KernelOf<R, float>>(rule_);
  }
  std::unique_ptr<RuleKernel<double>> kernel(double) const override {
    return std::make_unique<KernelOf<R, double>>(rule_);
  }

 private:
  R rule_{};
};

template <class R>
std::span<const RulePreset> presets_of() {
  if constexpr (requires { R::presets; }) return R::presets;
  return {};
}

}  // namespace detail

template <Rule R>
struct Enrolled {
  Enrolled() {
    detail::rule_registry().add(
        {std::string(R::info.name), R::info, detail::presets_of<R>(),
         [] { return std::unique_ptr<AnyRule>(std::make_unique<detail::AnyRuleOf<R>>()); }});
  }
};

}  // namespace muonflow::optim
