// Evidence of steps for audits by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "muonflow/optim/audit/audit.hpp"
#include "tests/optim/audit/audited_run.hpp"

namespace muonflow::optim {

template <class T>
Tensor tensor_of(const Owned<T>& owned, const std::vector<T>& values) {
  return make_tensor<T>(owned.parameter.shape, values);
}

// One step of the run, as evidence of its first tensor.
template <class T>
StepEvidence step_of(AuditedRunOf<T>& run, double schedule = 1) {
  const Owned<T>& owned = *run.owned.front();
  StepEvidence evidence{.before = tensor_of(owned, owned.weights),
                        .gradients = {tensor_of(owned, owned.gradient)},
                        .state_before = run.optimizer->state_of(owned.parameter.name)};
  EXPECT_TRUE(run.optimizer->step(schedule).outcome.ok());
  evidence.after = tensor_of(owned, owned.weights);
  evidence.state_after = run.optimizer->state_of(owned.parameter.name);
  return evidence;
}

// A preset of this rule whose group has these options, rule's own and the group's in one.
inline RoutingOptions routing_for(const std::string& rule, const std::string& flat) {
  const auto options = nlohmann::ordered_json::parse(flat);
  RoutingOptions routing;
  routing.preset = rule;
  Json own = Json::object(), group = Json::object();
  for (const auto& [key, value] : options.items()) {
    const bool ours = key == "lr" || key == "weight_decay" || key == "decay" ||
                      key == "adjust_lr" || key == "layout" || key == "transforms";
    (ours ? group : own)[key] = value;
  }
  group["options"] = own;
  read(group, routing.hidden);
  return routing;
}

}  // namespace muonflow::optim
