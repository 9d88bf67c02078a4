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
  virtual void visit(RuleState<T>& state, StateVisitor<T>& visitor) const = 0;
  // The option `momentum`, for momentum warmup; null where the rule has none.
  virtual double* momentum() = 0;
};

// A rule with its options, for both scalar types.
class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual const RuleInfo& info() const = 0;
  virtual void fields(FieldVisitor& v) = 0;  // the rule's own options
  // Throws ConfigError where options contradict each other.
  virtual void check(const std::string& place) const = 0;
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

// Every name that find_rule knows, in alphabetical order.
std::vector<std::string> rule_names();

// The options of a rule, described: the rule's own.
std::vector<FieldInfo> describe_rule(const RuleEntry& entry);

// How a rule is applied to a tensor whatever the rule: what a group and `replay` add to the rule's
// own options.
enum class Layout {
  automatic,  // convolution or rank 2: conv; rank 3 and 4 of other roles: stack
  conv,       // [out, rest...] is one matrix [out, rest]
  stack,      // [batch..., out, in]: each [out, in] a matrix of its own, with a state of its own
};
struct ApplyOptions {
  std::optional<double> lr{};  // off: the rule's own
  std::optional<double> weight_decay{};
  Decay decay = Decay::automatic;
  Scale adjust_lr = Scale::automatic;
  Layout layout = Layout::automatic;

  void fields(FieldVisitor& v);
};

// A rule ready for use: options read over the preset's, defaults filled in, all checked.
struct ResolvedRule {
  std::string name{};  // as asked for: "muon.jordan"
  std::shared_ptr<const AnyRule> rule{};
  double lr = 0;
  double weight_decay = 0;
  Decay decay = Decay::before;    // never automatic
  Scale adjust_lr = Scale::none;  // never automatic
  Layout layout = Layout::automatic;
};

// `options` holds the rule's own options; `apply` what is not off or automatic there replaces the
// preset's and the rule's. `place_of` and `path` serve messages. Throws ConfigError.
ResolvedRule resolve_rule(const std::string& name, const ApplyOptions& apply, const Json& options,
                          const PlaceOf& place_of = {}, const std::string& path = "");

// The same from one flat tree that holds both kinds of options, as `replay` takes them.
ResolvedRule resolve_rule(const std::string& name, const Json& flat, const PlaceOf& place_of = {},
                          const std::string& path = "");

namespace detail {
Registry<RuleEntry>& rule_registry();
}  // namespace detail

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::Layout> {
  static constexpr std::array<std::string_view, 3> names{"default", "conv", "stack"};
};
