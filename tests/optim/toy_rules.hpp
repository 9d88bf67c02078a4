// Rules for tests: each uses one thing that the concept offers and the first real rules do not.
// toy_rules.cpp enrolls them; tests look them up by name.
#pragma once

#include <limits>

#include "muonflow/optim/rule.hpp"

namespace muonflow::optim::toys {

struct NoOptions {
  void fields(FieldVisitor&) {}
};

template <class T>
struct NoState {
  void fields(StateVisitor<T>&, const NoOptions&) {}
};

// Uses the learning rate and the scale itself: W <- W - D with D = lr scale G.
struct ToyDelta {
  static constexpr RuleInfo info{.name = "toy_delta",
                                 .takes = Takes::tensors,
                                 .result = Result::delta,
                                 .traits = Trait::elementwise | Trait::zero_in_zero_out};
  using Options = NoOptions;
  Options options;
  template <class T>
  using State = NoState<T>;
  template <class T>
  StepResult step(const StepContext<T>& at, State<T>&, MatrixRef<T> D) const {
    D = static_cast<T>(at.lr * at.scale) * at.G;
    return {};
  }
};

// Gives the new weights: W <- (1 - lr) W, and scales by shape itself.
struct ToyWeights {
  static constexpr RuleInfo info{
      .name = "toy_weights", .result = Result::weights, .scale_built_in = true};
  using Options = NoOptions;
  Options options;
  template <class T>
  using State = NoState<T>;
  template <class T>
  StepResult step(const StepContext<T>& at, State<T>&, MatrixRef<T> D) const {
    D = static_cast<T>(1 - at.lr) * at.W;
    return {};
  }
};

// Leaves W alone in its first step, and decays after a step; a state that is not like the weights,
// sized by an option, and filled at random.
struct ToySketch {
  static constexpr RuleInfo info{
      .name = "toy_sketch", .decay = Decay::after, .traits = Trait::random | Trait::counts_steps};
  struct Options {
    std::int64_t rank = 2;
    double momentum = 0.5;
    void fields(FieldVisitor& v) {
      v.integer("rank", rank, {.lo = 1}, "columns of the sketch");
      v.real("momentum", momentum, kUnitBelowOne, "weight of the past");
    }
  } options;
  template <class T>
  struct State {
    Matrix<T> Q;
    Matrix<T> momentum_buffer;
    void fields(StateVisitor<T>& v, const Options& o) {
      v.matrix("Q", Q, v.cols(), o.rank);
      v.like_weights("momentum_buffer", momentum_buffer);
    }
  };
  template <class T>
  void start(const StartContext<T>& at, State<T>& state) const {
    for (Index i = 0; i < state.Q.size(); ++i) {
      state.Q.data()[i] = static_cast<T>(at.rng.normal());
    }
  }
  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    state.momentum_buffer = static_cast<T>(options.momentum) * state.momentum_buffer + at.G;
    StepResult result;
    result.skip = at.t == 0;
    const T noise = static_cast<T>(at.rng.uniform());
    D = noise * (state.momentum_buffer * state.Q).lazyProduct(state.Q.transpose());
    return result;
  }
};

// Fails as it is told.
struct ToyFailing {
  static constexpr RuleInfo info{.name = "toy_failing"};
  struct Options {
    bool converges = true;
    void fields(FieldVisitor& v) { v.boolean("converges", converges, "else: not_converged"); }
  } options;
  template <class T>
  struct State {
    Matrix<T> seen;
    void fields(StateVisitor<T>& v, const Options&) { v.like_weights("seen", seen); }
  };
  template <class T>
  StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const {
    state.seen = at.G;
    D = at.G;
    if (!options.converges) return Outcome{Status::not_converged};
    D(0, 0) = std::numeric_limits<T>::infinity();
    return {};
  }
};

}  // namespace muonflow::optim::toys
