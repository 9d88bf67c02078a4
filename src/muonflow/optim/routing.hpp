// Which rule for which parameter: by role, by name, by shape; every tensor with its reason.
//
// A preset `X+Y` gives hidden matrices (and convolutions) to X, and embeddings, head, norms, biases
// and routers to Y. A hidden matrix that a matrix rule should not have (min dimension below 4, or
// aspect beyond 128: its polar factor is little more than a normalized vector) goes to Y too, and
// the table says so. A preset `X` gives everything to X. Groups come before the preset: each names
// parameters by pattern or role, and a parameter that two groups name is an error.
//
//   [optimizer]
//   preset = "muon+adamw"
//   hidden = { lr = 0.02, options = { momentum = 0.95 } }
//   other = { lr = 3e-4, weight_decay = 0.1 }
//   [[optimizer.groups]]
//   patterns = ["*.c_attn.weight"]
//   rule = "regularized_muon"
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/parameter.hpp"
#include "muonflow/optim/clip.hpp"
#include "muonflow/optim/options_tree.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "muonflow/optim/schedule.hpp"

namespace muonflow::optim {

struct GroupOptions {
  std::string rule{};     // "muon", "muon.jordan"; empty: the preset's
  OptionsTree options{};  // the rule's own options
  std::optional<double> lr{};
  std::optional<double> weight_decay{};
  Decay decay = Decay::automatic;
  Scale adjust_lr = Scale::automatic;
  Layout layout = Layout::automatic;
  // Parameters of the group: those whose name matches a pattern (* any text, ? one character), or
  // whose role is listed; with both, those that satisfy both.
  std::vector<std::string> patterns{};
  std::vector<std::string> roles{};
  // Rows of a matrix that are matrices of their own, such as [n, n, n] for a fused query, key and
  // value; empty: whole.
  std::vector<std::int64_t> split_sizes{};

  void fields(FieldVisitor& v);
};

// What happens when a gradient holds a NaN or infinity.
enum class NonFinite {
  step,    // the whole step is refused, nothing changes anywhere
  tensor,  // that tensor is left out of the step
};

struct RoutingOptions {
  std::string preset = "muon+adamw";
  GroupOptions hidden{};  // what the preset's first rule gets
  GroupOptions other{};   // what its second rule gets
  std::vector<GroupOptions> groups{};
  double max_aspect = 128;
  std::int64_t min_dim = 4;
  ClipOptions clip{};
  MomentumWarmup momentum_warmup{};
  NonFinite non_finite = NonFinite::step;

  void fields(FieldVisitor& v);
};

// What one parameter got.
struct Route {
  std::string tensor{};
  Shape shape{};
  Role role = Role::hidden;
  ResolvedRule resolved{};
  std::string rule{};  // as asked for: "muon.jordan"
  double lr = 0;
  double weight_decay = 0;
  double multiplier = 1;  // the shape scale; of the first matrix where the tensor holds several
  std::vector<std::int64_t> split_sizes{};
  std::string reason{};
};

struct RoutingTable {
  std::vector<Route> rows;  // in the order of the parameters

  // A table with one line a tensor: tensor, shape, role, rule, learning rate, multiplier, reason.
  std::string to_text() const;
};

// Throws ConfigError: unknown rule, role or option; a parameter with no rule or with two; a group
// that matches nothing; two parameters of one name; a tensor that its rule cannot take; split sizes
// that do not add up; adjust_lr for a rule whose scale is built in. `path` is where the options
// stand, for messages.
template <class T>
RoutingTable route(const std::vector<Parameter<T>>& parameters, const RoutingOptions& options,
                   const PlaceOf& place_of = {}, const std::string& path = "optimizer");

// The matrices a tensor is worked on as, [rows, cols] each, in the order of memory.
struct MatrixShape {
  Index rows = 0;
  Index cols = 0;
};
std::vector<MatrixShape> matrices_of(const Shape& shape, Role role, Layout layout,
                                     const std::vector<std::int64_t>& split_sizes = {});

// Whether `name` matches a pattern with * and ?.
bool matches(std::string_view pattern, std::string_view name);

std::string_view name_of(Role role);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::NonFinite> {
  static constexpr std::array<std::string_view, 2> names{"step", "tensor"};
};
