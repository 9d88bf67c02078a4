// What a transform is: something that composes around any rule and that a group, or the optimizer,
// switches on by its options. One transform is one file of this folder.
//
// Transforms of a group that change what the rule sees or gives are kernels around the rule's
// kernel (RuleKernel): the driver steps, saves, loads and counts them as it does a rule, and knows
// none of them. From the gradient to the weights:
//
//   clip -> coupled decay -> error_feedback -> [ rule, blocked, spectrally normalized, grafted ]
//        -> cautious updates -> learning rate, shape scale, decay -> qk_clip
//
// Each one has a setting that is the identity, its default, which changes no bit.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim {

struct TransformInfo {
  std::string_view name{};
  std::string_view summary{};  // one line for `list`
  std::string_view keys{};     // where its options stand
  std::string_view cite{};
};

namespace detail {

// A kernel around another one: what most transforms share.
template <class T>
class Around : public RuleKernel<T> {
 public:
  explicit Around(std::unique_ptr<RuleKernel<T>> inner) : inner_(std::move(inner)) {}

  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    inner_->visit(*static_cast<Held&>(state).inner, visitor);
  }
  double* momentum() override { return inner_->momentum(); }
  void momenta(std::vector<double*>& all) override { inner_->momenta(all); }
  std::size_t message_bytes(Index rows, Index cols) const override {
    return inner_->message_bytes(rows, cols);
  }

 protected:
  struct Held : RuleState<T> {
    std::unique_ptr<RuleState<T>> inner;
  };

  const RuleKernel<T>& inner() const { return *inner_; }

 private:
  std::unique_ptr<RuleKernel<T>> inner_;
};

// The names of a state within a state: PREFIX.momentum_buffer. Its tensors are matrices of their
// own, since they need not be like the weights of the whole.
template <class T>
class Prefixed final : public StateVisitor<T> {
 public:
  Prefixed(std::string prefix, StateVisitor<T>& outer, Index rows, Index cols)
      : StateVisitor<T>(rows, cols), prefix_(std::move(prefix)), outer_(outer) {}

 private:
  void visit(std::string_view name, Matrix<T>& value, Index rows, Index cols, bool like) override {
    const auto full = prefix_ + "." + std::string(name);
    if (like && rows == outer_.rows() && cols == outer_.cols()) {
      outer_.like_weights(full, value);
    } else {
      outer_.matrix(full, value, rows, cols);
    }
  }

  std::string prefix_;
  StateVisitor<T>& outer_;
};

}  // namespace detail

}  // namespace muonflow::optim
