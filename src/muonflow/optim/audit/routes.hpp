// The audit of a routing table: is it what the configuration says?
//
// The audit of a step judges a tensor by its row of the table: rule, options, learning rate, decay,
// shape scale, layout, multipliers. A row that is wrong would make a wrong step right. So every row
// is found a second time, from the configuration and the tensor's name, shape, role and base shape
// (detail/plan.hpp), with the defaults of the catalogue typed a second time.
#pragma once

#include <vector>

#include "muonflow/optim/audit/report.hpp"
#include "muonflow/optim/routing.hpp"

namespace muonflow::optim {

// One row for each tensor: passed, or the first thing that differs. A tensor whose rule is not of
// the catalogue is off: nothing but its own file says what it is by default.
template <class T>
AuditReport audit_routes(const RoutingTable& table, const std::vector<Parameter<T>>& parameters,
                         const RoutingOptions& options);

}  // namespace muonflow::optim
