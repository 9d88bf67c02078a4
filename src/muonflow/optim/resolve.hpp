// A rule ready for use: its options read over the preset's and the defaults, and how it is applied
// to a tensor whatever the rule.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "muonflow/optim/rule_registry.hpp"
#include "muonflow/optim/transforms.hpp"

namespace muonflow::optim {

// What a group and `replay` add to a rule's own options.
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
  Transforms transforms{};

  void fields(FieldVisitor& v);
};

struct ResolvedRule {
  std::string name{};     // as asked for: "muon.jordan"
  std::string options{};  // what was given for it: two rules with equal name and options are equal
  std::shared_ptr<const AnyRule> rule{};
  double lr = 0;
  double weight_decay = 0;
  Decay decay = Decay::before;    // never automatic
  Scale adjust_lr = Scale::none;  // never automatic
  Layout layout = Layout::automatic;
  Transforms transforms{};
  std::shared_ptr<const AnyRule> graft{};  // the rule of `grafting`; null: none

  // Whether the rule, with its transforms, may be handed any part of a tensor.
  bool elementwise() const {
    return has(rule->info().traits, Trait::elementwise) && !transforms.need_whole();
  }
};

// `options` holds the rule's own options; `apply` what is not off or automatic there replaces the
// preset's and the rule's. `place_of` and `path` serve messages. Throws ConfigError.
ResolvedRule resolve_rule(const std::string& name, const ApplyOptions& apply, const Json& options,
                          const PlaceOf& place_of = {}, const std::string& path = "");

// The same from one flat tree that holds both kinds of options, as `replay` takes them.
ResolvedRule resolve_rule(const std::string& name, const Json& flat, const PlaceOf& place_of = {},
                          const std::string& path = "");

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::Layout> {
  static constexpr std::array<std::string_view, 3> names{"default", "conv", "stack"};
};
