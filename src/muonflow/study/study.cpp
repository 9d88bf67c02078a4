#include "muonflow/study/study.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/study/detail/enroll_study.hpp"
#include "muonflow/study/studies/flow_chaos.hpp"
#include "muonflow/study/studies/flow_epsilon.hpp"
#include "muonflow/study/studies/flow_hard_limit.hpp"
#include "muonflow/study/studies/flow_identity.hpp"
#include "muonflow/study/studies/flow_moe.hpp"
#include "muonflow/study/studies/flow_orders.hpp"
#include "muonflow/study/studies/flow_teacher.hpp"
#include "muonflow/study/studies/flow_volume.hpp"

namespace muonflow::study {

bool Context::progress(double, double, const std::string&) { return true; }
void Context::result(const Json&) {}

const Registry<StudyEntry>& studies() {
  static const auto registry = [] {
    Registry<StudyEntry> all("study");
    detail::enroll_study<FlowChaos>(all);
    detail::enroll_study<FlowEpsilon>(all);
    detail::enroll_study<FlowHardLimit>(all);
    detail::enroll_study<FlowIdentity>(all);
    detail::enroll_study<FlowMoe>(all);
    detail::enroll_study<FlowOrders>(all);
    detail::enroll_study<FlowTeacher>(all);
    detail::enroll_study<FlowVolume>(all);
    return all;
  }();
  return registry;
}

Judgement run_study(const StudyEntry& study, const Json& options, Context& context) {
  const auto bounds = study.bounds(options);
  auto measured = study.run(options, context);
  Judgement judgement{.figures = std::move(measured.figures),
                      .remarks = std::move(measured.remarks),
                      .cancelled = measured.cancelled};
  for (const auto& bound : bounds) {
    const auto found = std::find_if(measured.values.begin(), measured.values.end(),
                                    [&](const auto& value) { return value.first == bound.name; });
    Check check{.bound = bound};
    if (found != measured.values.end()) check.measured = found->second;
    check.verdict = judge(bound, check.measured);
    judgement.verdict = std::max(judgement.verdict, check.verdict);
    judgement.checks.push_back(std::move(check));
  }
  return judgement;
}

}  // namespace muonflow::study
