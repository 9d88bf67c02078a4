// What the configuration says of a tensor, read a second time.
//
// The audit of a step takes rule, options, learning rate, decay, scale and layout of a tensor from
// the routing table; so the table itself has to be right. This finds the same from the options and
// the tensor's name, shape, role and base shape alone, by no code of routing, resolve or transfer.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "muonflow/optim/routing.hpp"

namespace muonflow::optim::detail {

// A tensor as its owner describes it.
struct Described {
  std::string name{};
  Shape shape{};
  Role role = Role::hidden;
  Shape base_shape{};  // empty: no base model
  double depth_ratio = 1;
};

// Transfer multipliers beside the base model.
struct PlannedTransfer {
  double base_rows = 1, base_cols = 1;  // of the base model's matrix, over this one's
  double lr = 1, weight_decay = 1, epsilon = 1;
};

struct Plan {
  std::string rule{};    // as asked for: "muon.jordan"
  Json options{};        // the rule's own, each one
  std::string graft{};   // empty: none
  Json graft_options{};  // of the rule of `grafting`
  double lr = 0;
  double weight_decay = 0;
  Decay decay = Decay::before;
  Scale adjust_lr = Scale::none;
  Layout layout = Layout::automatic;
  Json transforms{};
  MomentumWarmup warmup{};
  std::vector<std::int64_t> split_sizes{};
  std::optional<std::int64_t> num_heads{};
  Index rows = 1, cols = 1;  // of the first matrix
  std::optional<PlannedTransfer> transfer{};
};

// None where the rule is not of the catalogue, so that nothing but its own file says what it is.
std::optional<Plan> plan_of(const Described& tensor, const RoutingOptions& options);

}  // namespace muonflow::optim::detail
