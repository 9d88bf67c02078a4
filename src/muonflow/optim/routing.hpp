// Which rule for which parameter: by role, by name, by shape; every tensor with its reason.
//
// A preset `X+Y` gives hidden matrices (and convolutions) to X, and embeddings, head, norms, biases
// and routers to Y. A hidden matrix that a matrix rule should not have goes to Y too, and the table
// says why: a dimension below 4 or an aspect beyond 128 (its polar factor is little more than a
// normalized vector), a leading unit dimension (a position embedding), a convolution with one input
// channel (depthwise: its matrix is a list of filters). A preset `X` gives everything to X, and an
// empty preset leaves everything to the groups. Groups come before the preset: each names
// parameters by pattern or role. A parameter that two groups name, or none and no preset, is an
// error.
//
// A tensor that holds several matrices says so: split_sizes are the rows of each part of a fused
// one, num_heads cuts each part into heads, a stack of rank 3 or 4 is its matrices. Each has a
// state of its own; none is ever flattened with its neighbours.
//
//   [optimizer]
//   preset = "muon+adamw"
//   hidden = { lr = 0.02, options = { momentum = 0.95 } }
//   other = { lr = 3e-4, weight_decay = 0.1 }
//   [[optimizer.groups]]
//   patterns = ["*.c_attn.weight"]
//   rule = "regularized_muon"
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/parameter.hpp"
#include "muonflow/optim/options_tree.hpp"
#include "muonflow/optim/resolve.hpp"
#include "muonflow/optim/transfer.hpp"
#include "muonflow/optim/transforms/clip.hpp"
#include "muonflow/optim/transforms/momentum_warmup.hpp"
#include "muonflow/optim/transforms/qk_clip.hpp"

namespace muonflow::optim {

struct GroupOptions {
  std::string rule{};     // "muon", "muon.jordan"; empty: the preset's
  OptionsTree options{};  // the rule's own options
  std::optional<double> lr{};
  std::optional<double> weight_decay{};
  Decay decay = Decay::automatic;
  Scale adjust_lr = Scale::automatic;
  Layout layout = Layout::automatic;
  Transforms transforms{};
  MomentumWarmup momentum_warmup{};  // 0 steps: the optimizer's
  // Names of transforms that the group would inherit and goes without: those that the preset's
  // rule has, and momentum_warmup, which is the optimizer's.
  std::vector<std::string> without{};
  // Parameters of the group: those whose name matches a pattern (* any text, ? one character), or
  // whose role is listed; with both, those that satisfy both.
  std::vector<std::string> patterns{};
  std::vector<std::string> roles{};
  // Rows of a matrix that are matrices of their own, such as [n, n, n] for a fused query, key and
  // value; empty: whole.
  std::vector<std::int64_t> split_sizes{};
  // Heads of the first part: each part is cut into matrices of (rows of the first part / num_heads)
  // rows, so that with fewer key heads than query heads all heads have one size; off: not cut.
  std::optional<std::int64_t> num_heads{};

  void fields(FieldVisitor& v);
};

// What happens when a gradient holds a NaN or infinity.
enum class NonFinite {
  step,    // the whole step is refused, nothing changes anywhere
  tensor,  // that tensor is left out of the step
};

struct RoutingOptions {
  std::string preset = "muon+adamw";  // RULE+RULE, RULE, or empty: groups alone
  GroupOptions hidden{};              // what the preset's first rule gets
  GroupOptions other{};               // what its second rule gets
  std::vector<GroupOptions> groups{};
  double max_aspect = 128;
  std::int64_t min_dim = 4;
  ClipOptions clip{};
  MomentumWarmup momentum_warmup{};  // of every group that has none of its own
  QkClip qk_clip{};                  // of the layers that Optimizer::clip_attention has been told
  NonFinite non_finite = NonFinite::step;
  // Of parameters with a base shape; no field: a training run has it as a table of its own.
  TransferOptions transfer{};

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
  double weight_decay = 0;  // already times transfer.weight_decay, as rules have their epsilon
  double multiplier = 1;    // the shape scale; of the first matrix where the tensor holds several
  // Hyperparameter transfer: factors beside the base model, and the base model's sizes of a matrix
  // over these. `transfer.lr` stands beside `multiplier`: a step is lr multiplier transfer.lr D.
  bool has_base = false;
  Multipliers transfer{};
  double transfer_lr = 1;  // the same beside the shape scale of the base model
  double base_rows = 1;
  double base_cols = 1;
  std::vector<std::int64_t> split_sizes{};
  std::optional<std::int64_t> num_heads{};
  MomentumWarmup momentum_warmup{};  // the group's own or the optimizer's; 0 steps: none
  std::string reason{};

  // What a step of a matrix [rows, cols] of this tensor is multiplied by beside lr: the shape
  // scale, and transfer.
  double step_multiplier(Index rows, Index cols) const;
};

struct RoutingTable {
  std::vector<Route> rows;  // in the order of the parameters

  // Bytes of a step's compressed gradients (error feedback), for scalars of this many bytes, and
  // what the same gradients would take as they are; 0 and 0: nothing is compressed.
  struct Messages {
    std::size_t bytes = 0;
    std::size_t plain = 0;
  };
  Messages messages(std::size_t scalar) const;

  // A table with one line a tensor: tensor, shape, role, rule, learning rate, multiplier, with a
  // base model what transfer multiplies, reason.
  std::string to_text() const;
};

// Throws ConfigError: unknown rule, role or option; a parameter with no rule or with two; a group
// that matches nothing; two parameters of one name; a tensor that its rule cannot take; split sizes
// or heads that do not fit; adjust_lr for a rule whose scale is built in; clipping after the rule;
// a base shape that does not fit, or a rule that knows no transfer. `path` is where the options
// stand, for messages.
template <class T>
RoutingTable route(const std::vector<Parameter<T>>& parameters, const RoutingOptions& options,
                   const PlaceOf& place_of = {}, const std::string& path = "optimizer");

// The matrices a tensor is worked on as, [rows, cols] each, in the order of memory. Throws
// ConfigError where sizes or heads do not fit.
struct MatrixShape {
  Index rows = 0;
  Index cols = 0;
};
std::vector<MatrixShape> matrices_of(const Shape& shape, Role role, Layout layout,
                                     const std::vector<std::int64_t>& split_sizes = {},
                                     std::optional<std::int64_t> num_heads = {});

// Whether `name` matches a pattern with * and ?.
bool matches(std::string_view pattern, std::string_view name);

std::string_view name_of(Role role);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::NonFinite> {
  static constexpr std::array<std::string_view, 2> names{"step", "tensor"};
};
