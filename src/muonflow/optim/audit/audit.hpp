// The audit of a step: is the change that was applied to the weights the one that the rule claims?
//
// A run can train well and not be what it says: a step that was never orthogonalized, clipped after
// the rule, taken once a micro-batch, on a stack laid flat, scaled by the transposed shape. None of
// it shows in the loss. So the change itself is judged, from the raw gradient, in double, by a path
// that shares no code with rules, transforms or kernels (detail/scene.hpp). docs/guide/audit.md
// says what each quantity means, its bound and why.
//
//   auto claim = optim::claim_of("w", {64, 128}, "muon", R"({"lr": 0.02})");
//   auto report = optim::audit(claim, {.before = ..., .after = ..., .gradients = {...},
//                                      .state_before = ..., .state_after = ...});
//   if (!report.ok()) std::puts(report.failure()->to_line().c_str());
//
// Cost: for a matrix [m, n] under a spectral rule an SVD and four products in double, 30 r^2 N
// flops or so; a few passes for a rule that works entry by entry.
#pragma once

#include <functional>

#include "muonflow/optim/audit/claim.hpp"
#include "muonflow/optim/audit/report.hpp"

namespace muonflow::optim {

// Every claim on every matrix of the tensor; `wanted`, where given, picks matrices by their number.
// A rule that claims nothing gives one row that is off. Throws ShapeError, DataError: evidence that
// does not fit the claim or is not finite.
AuditReport audit(const StepClaim& claim, const StepEvidence& evidence,
                  const std::function<bool(std::size_t matrix)>& wanted = {});

}  // namespace muonflow::optim
