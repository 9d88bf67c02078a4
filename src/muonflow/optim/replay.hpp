// Applies a rule to recorded gradients: tensors in, tensors out. The tool by which two
// implementations are compared.
//
// In: w/NAME the starting weights (rank 1 to 4), g/NAME/T the gradient of step T = 0..K-1 (fixed in
// advance, independent of w), optionally s/NAME/FIELD an initial state. Out: w/NAME/T the weights
// after step T, and s/NAME/FIELD the final state. Every NAME is an independent parameter under the
// same rule; a clip of kind `global` alone measures all gradients of a step together. float64 and
// float32 are kept; bfloat16 and float16 are computed in, and given out as, float32.
#pragma once

#include <functional>
#include <string>

#include "muonflow/core/tensor.hpp"
#include "muonflow/optim/audit/report.hpp"
#include "muonflow/optim/options_tree.hpp"
#include "muonflow/optim/schedule.hpp"

namespace muonflow::optim {

struct ReplayRequest {
  std::string rule{};  // "muon", "muon.jordan"
  // The rule's own, and lr (required), weight_decay, decay, adjust_lr, layout, transforms, clip,
  // momentum_warmup, schedule, split_sizes, num_heads.
  OptionsTree options{};
  Schedule schedule{};  // where the options have none; its length is the number of gradients
  std::uint64_t seed = 0;
  std::string source = "input";  // what messages call the tensors' file
  PlaceOf place_of{};            // where an option stands, for messages
  // Where it is set, every step of every tensor is audited and told here.
  std::function<void(const std::string& tensor, std::int64_t step, const AuditReport&)> on_audit{};
};

// Throws ConfigError (rule, options, a tensor that the rule cannot take), ShapeError (w and g do
// not fit), DataError (no weights, a step that is missing, non-finite values); each names the
// source and the tensor.
TensorMap replay(const TensorMap& input, const ReplayRequest& request);

// Audits a trajectory that anybody's implementation made of the same input: `trajectory` holds
// w/NAME/T and, if it likes, the final s/NAME/FIELD. Each of its steps is held against the claims
// of the rule, from the weights it had reached itself; request.on_audit is told of each. States
// between the steps are not in the file: they are those that the gradients give, which the audit
// checks on their way. Throws as replay does, and ShapeError, DataError for a trajectory that does
// not fit the input.
void audit_trajectory(const TensorMap& input, const TensorMap& trajectory,
                      const ReplayRequest& request);

}  // namespace muonflow::optim
