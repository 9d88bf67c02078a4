#include "muonflow/flow/objective.hpp"

#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/flow/objectives/attention_heads.hpp"
#include "muonflow/flow/objectives/matrix_sensing.hpp"
#include "muonflow/flow/objectives/mmd.hpp"
#include "muonflow/flow/objectives/moe.hpp"
#include "muonflow/flow/objectives/quadratic.hpp"
#include "muonflow/flow/objectives/tanh_ridge.hpp"
#include "muonflow/flow/objectives/two_layer.hpp"

namespace muonflow::flow {

void ObjectiveOptions::fields(FieldVisitor& v) {
  v.text("kind", kind, "name of the objective (muonflow list objectives)");
  v.choice("risk", risk, "what is made of the averaged features");
  v.text("file", file,
         "safetensors file with the objective's data, instead of a seed; with a dataset, where it "
         "lies");
}

Constants Constants::completed() const {
  auto all = *this;
  if (!curvature && feature_slope && feature_curvature && risk_slope && risk_curvature) {
    all.curvature =
        *risk_curvature * *feature_slope * *feature_slope + *risk_slope * *feature_curvature;
  }
  return all;
}

const Registry<ObjectiveEntry>& objectives() {
  static const auto registry = [] {
    Registry<ObjectiveEntry> all("objective");
    detail::enroll_objective<AttentionHeads>(all);
    detail::enroll_objective<MatrixSensing>(all);
    detail::enroll_objective<Mmd>(all);
    detail::enroll_objective<Moe>(all);
    detail::enroll_objective<Quadratic>(all);
    detail::enroll_objective<TanhRidge>(all);
    detail::enroll_objective<TwoLayer>(all);
    return all;
  }();
  return registry;
}

}  // namespace muonflow::flow
