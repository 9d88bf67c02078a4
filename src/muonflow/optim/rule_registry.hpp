// The rules by name, and a rule as everybody but its own file sees it.
//
// A rule file ends with `inline const Enrolled<Muon> enrolled_muon;` and is included by rules.hpp;
// that is all it takes to be listed, configured, trained with, replayed and tested.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/registry.hpp"
#include "muonflow/optim/options_tree.hpp"
#include "muonflow/optim/rule.hpp"

namespace muonflow::optim {

// The state of one matrix under some rule.
template <class T>
struct RuleState {
  virtual ~RuleState() = default;
};

// A rule with its options, for the scalar type T. `step` of one kernel may run on several threads
// at once, for different states.
template <class T>
class RuleKernel {
 public:
  virtual ~RuleKernel() = default;
  // Zeros, then the rule's own start.
  virtual std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const = 0;
  virtual StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const = 0;
  // Whether small matrices of this shape may go together: `begin` of each and one `finish` for all
  // of them, [count, rows, cols], are then `step` for each, up to roundings. outcomes [count].
  virtual bool batches(Index /*rows*/, Index /*cols*/) const { return false; }
  virtual void begin(const StepContext<T>& /*at*/, RuleState<T>& /*state*/,
                     MatrixRef<T> /*D*/) const {}
  virtual void finish(T* /*D*/, Index /*count*/, Index /*rows*/, Index /*cols*/,
                      std::span<Outcome> /*outcomes*/, linalg::Workspace<T>& /*scratch*/) const {}
  virtual void visit(RuleState<T>& state, StateVisitor<T>& visitor) const = 0;
  // The option `momentum` (or `mu`), for momentum warmup; null where the rule has none.
  virtual double* momentum() = 0;
  // The same of every rule within.
  virtual void momenta(std::vector<double*>& all) {
    if (double* const own = momentum()) all.push_back(own);
  }
  // Bytes of the message that a step sends where gradients are compressed; 0: none is.
  virtual std::size_t message_bytes(Index /*rows*/, Index /*cols*/) const { return 0; }
};

// A rule with its options, for both scalar types.
class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual const RuleInfo& info() const = 0;
  virtual void fields(FieldVisitor& v) = 0;  // the rule's own options
  // Throws ConfigError where options contradict each other.
  virtual void check(const std::string& place) const = 0;
  // How its steps on a matrix of this shape go with width.
  virtual Transfer transfer(Index rows, Index cols) const = 0;
  virtual std::unique_ptr<RuleKernel<float>> kernel(float tag) const = 0;
  virtual std::unique_ptr<RuleKernel<double>> kernel(double tag) const = 0;
};

struct RuleEntry {
  std::string name{};
  RuleInfo info;
  std::span<const RulePreset> presets;
  std::unique_ptr<AnyRule> (*make)();  // with default options
};

const Registry<RuleEntry>& rules();

// "muon" or "muon.jordan".
struct NamedRule {
  const RuleEntry* entry = nullptr;
  const RulePreset* preset = nullptr;  // null: none
};
// Throws ConfigError naming the nearest known rule or preset.
NamedRule find_rule(std::string_view name, const std::string& place = "");

// Names of their own for presets of a rule: "adam" is adamw with coupled decay.
std::span<const RulePreset> rule_aliases(std::string_view rule);

// Every name that find_rule knows, in alphabetical order.
std::vector<std::string> rule_names();

// The options of a rule, described: the rule's own.
std::vector<FieldInfo> describe_rule(const RuleEntry& entry);

namespace detail {
Registry<RuleEntry>& rule_registry();
}  // namespace detail

}  // namespace muonflow::optim
