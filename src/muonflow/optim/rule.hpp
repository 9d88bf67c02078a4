// What an optimizer rule is: the words a rule file is written in.
//
// A rule is a struct in a file of its own under rules/, read beside its paper. It has
//
//   static constexpr RuleInfo info{...};    // name, what it takes, what it gives, its laws
//   struct Options { ...; void fields(FieldVisitor&); } options;
//   template <class T> struct State {       // tensors that live between steps
//     Matrix<T> momentum_buffer;
//     void fields(StateVisitor<T>& v, const Options&) {
//       v.like_weights("momentum_buffer", momentum_buffer);
//     }
//   };
//   template <class T>
//   StepResult step(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const;
//
// and, where it needs them,
//
//   static constexpr std::array<RulePreset, N> presets{...};  // named sources: rule.preset
//   void check(const std::string& place) const;               // options at odds: ConfigError
//   Transfer transfer(Index rows, Index cols) const;          // where options or shape change it
//   template <class T>
//   void start(const StartContext<T>& at, State<T>& state) const;  // a start not all zeros
//
//   bool batches(Index rows, Index cols) const;  // whether matrices of this shape go together:
//   template <class T>
//   void begin(const StepContext<T>& at, State<T>& state, MatrixRef<T> D) const;  // of each, and
//   template <class T>  // [count, rows, cols] at once
//   void finish(T* D, Index count, Index rows, Index cols, std::span<Outcome> outcomes,
//               linalg::Workspace<T>& scratch) const;
//
// and ends with the line that enrolls it, `inline const Enrolled<X> enrolled_x;` (enrolled.hpp).
//
// The driver (optimizer.hpp) brings everything else: the learning rate, the shape scale, weight
// decay, clipping, missing and non-finite gradients, layouts, saving, threads. A rule holds
// elementwise algebra and named geometry:: and linalg:: calls, allocates nothing in a step (scratch
// comes from the workspace) and never writes W or G.
//
// One matrix at a time: `step` sees a matrix [out, in] whatever the tensor's rank; a rank-1 tensor
// [n] is [1, n]. Rules whose trait says `elementwise` may be handed any part of a tensor, each part
// with a state of its own; so their state must be like the weights in shape.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/workspace.hpp"
#include "muonflow/optim/claims.hpp"
#include "muonflow/optim/transfer.hpp"

namespace muonflow::optim {

// What `D` holds after a step. lr_t is the group's learning rate times the schedule.
enum class Result {
  direction,  // W <- W - lr_t scale D
  delta,      // W <- W - D: the rule used lr (and scale) itself
  weights,    // W <- D
};

// Where weight decay enters. A rule has its own form, which a group may replace.
enum class Decay {
  automatic,    // the rule's own
  before,       // decoupled: W <- (1 - lr_t weight_decay) W, then the step
  after,        // decoupled, after the step
  coupled,      // L2: G <- G + weight_decay W, then the rule
  independent,  // W <- W - schedule weight_decay W, not multiplied by lr (arXiv:2512.05620)
  corrected,    // W <- (1 - lr_t schedule weight_decay) W, then the step (arXiv:2506.02285)
};

// The shape scale of a matrix [out, in] = [m, n].
enum class Scale {
  automatic,        // the rule's own
  none,             // 1
  original,         // sqrt(max(1, m / n)), K. Jordan 2024
  match_rms_adamw,  // 0.2 sqrt(max(m, n)), arXiv:2502.16982
  spectral,         // sqrt(m / n), the muP scale
};

enum class Takes {
  tensors,   // any rank
  matrices,  // rank 2 and more; a rank-1 tensor is refused
};

// Laws that a rule obeys with its default options; the law tests check each one that is declared.
// D(G) is the result of a first step.
enum class Trait : unsigned {
  none = 0,
  elementwise = 1,             // an entry of D depends on the same entry of G alone
  orthogonal_equivariant = 2,  // D(U G V') = U D(G) V' for orthogonal U, V
  transpose_equivariant = 4,   // D(G') = D(G)'
  scale_invariant = 8,         // D(c G) = D(G) for c > 0 (up to eps)
  zero_in_zero_out = 16,       // D(0) = 0 at a fresh state
  counts_steps = 32,           // reads the step counter: a given state is nothing without it
  random = 64,                 // draws random numbers
  left_equivariant = 128,      // D(U G) = U D(G) for orthogonal U
  right_equivariant = 256,     // D(G V') = D(G) V' for orthogonal V
  descends = 512,  // <G, D(G)> > 0, and steps that shrink to 0 minimize smooth convex functions
};
constexpr Trait operator|(Trait a, Trait b) {
  return static_cast<Trait>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(Trait traits, Trait one) {
  return (static_cast<unsigned>(traits) & static_cast<unsigned>(one)) != 0;
}

struct RuleInfo {
  std::string_view name{};
  std::string_view summary{};  // one line for `list`
  Takes takes = Takes::matrices;
  Result result = Result::direction;
  Decay decay = Decay::before;
  Scale adjust_lr = Scale::none;
  bool scale_built_in = false;  // the rule scales by shape itself: adjust_lr is refused
  double lr = 1e-3;             // where a group gives none
  // What a step of a rule that is not elementwise costs, for scheduling alone: multiply-adds an
  // entry over the smaller side (muon: five steps of two half products and a whole one; others by
  // what `bench steps` measures beside it); 0: a few passes over the entries.
  double products = 10;
  Trait traits = Trait::none;
  Transfer
      transfer{};  // with default options; a rule whose options matter has `transfer` beside it
  std::string_view cite{};
  std::string_view differs{};  // from the original; empty: in nothing
  Claims claims{};             // for the audit
};

// Option values that reproduce a named source: `muon.jordan`. Keys are the rule's own options and
// lr, weight_decay, decay, adjust_lr; what the user gives replaces them.
struct RulePreset {
  std::string_view name{};   // "jordan"
  std::string_view options;  // as JSON
  std::string_view doc;      // what it reproduces, and where not
};

template <class T>
struct StepContext {
  ConstMatrixRef<T> W;  // [out, in] weights before the step; already decayed for Result::weights
  ConstMatrixRef<T> G;  // [out, in] finite; weight_decay W added where decay is coupled
  double lr;            // the group's learning rate times the schedule
  double scale;         // the shape scale
  std::int64_t t;       // steps this tensor has taken before this one
  Rng& rng;             // depends on seed, tensor and t alone: nothing to save
  linalg::Workspace<T>& scratch;
};

template <class T>
struct StartContext {
  Index rows, cols;
  Rng& rng;
};

struct StepResult {
  Outcome outcome{};           // anything but ok: the weights are left alone
  bool skip = false;           // leave W as it is in this step, decay included
  std::string_view warning{};  // told once per tensor, in StepReport::warnings

  StepResult() = default;
  StepResult(Outcome o) : outcome(o) {}  // so that a rule may return what a kernel returned
};

// Names the tensors of a state; the driver sizes, saves, loads and counts them through it. Names
// are those of PyTorch where it has them: momentum_buffer, exp_avg, exp_avg_sq. The driver itself
// keeps `step`, the number of steps taken.
template <class T>
class StateVisitor {
 public:
  StateVisitor(Index rows, Index cols) : rows_(rows), cols_(cols) {}
  virtual ~StateVisitor() = default;

  Index rows() const { return rows_; }  // of the matrix the state belongs to
  Index cols() const { return cols_; }

  // A tensor of the shape of the weights; in a file it has the parameter's own shape.
  void like_weights(std::string_view name, Matrix<T>& value) {
    visit(name, value, rows_, cols_, true);
  }
  // A tensor of a shape of its own.
  void matrix(std::string_view name, Matrix<T>& value, Index rows, Index cols) {
    visit(name, value, rows, cols, false);
  }

 protected:
  virtual void visit(std::string_view name, Matrix<T>& value, Index rows, Index cols,
                     bool like_weights) = 0;

 private:
  Index rows_;
  Index cols_;
};

template <class R, class T>
concept RuleFor = requires(R rule, const R fixed, typename R::template State<T>& state,
                           const StepContext<T>& at, MatrixRef<T> D, FieldVisitor& fields,
                           StateVisitor<T>& tensors) {
  { R::info } -> std::convertible_to<const RuleInfo&>;
  rule.options.fields(fields);
  state.fields(tensors, fixed.options);
  { fixed.step(at, state, D) } -> std::same_as<StepResult>;
};
template <class R>
concept Rule = RuleFor<R, float> && RuleFor<R, double>;

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::Decay> {
  static constexpr std::array<std::string_view, 6> names{"default", "before",      "after",
                                                         "coupled", "independent", "corrected"};
};
template <>
struct muonflow::EnumNames<muonflow::optim::Scale> {
  static constexpr std::array<std::string_view, 5> names{"default", "none", "original",
                                                         "match_rms_adamw", "spectral"};
};
