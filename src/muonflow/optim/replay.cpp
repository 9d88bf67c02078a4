#include "muonflow/optim/replay.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/detail/replay_options.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::optim {
namespace {

// What the input holds for one NAME.
struct Recorded {
  const Tensor* weights = nullptr;
  std::map<std::int64_t, const Tensor*> gradients;  // by step
  TensorMap state;                                  // by field
};

[[noreturn]] void refuse_key(const std::string& source, const std::string& key) {
  throw DataError({.place = source + ": " + key,
                   .what = "not a tensor that replay knows",
                   .expected = "w/NAME, g/NAME/STEP or s/NAME/FIELD"});
}

// "abc/12" -> {"abc", "12"}; NAME itself may hold slashes.
std::pair<std::string, std::string> split_last(const std::string& source, const std::string& key) {
  const auto rest = key.substr(2);
  const auto slash = rest.rfind('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == rest.size()) {
    refuse_key(source, key);
  }
  return {rest.substr(0, slash), rest.substr(slash + 1)};
}

std::map<std::string, Recorded> sorted(const TensorMap& input, const std::string& source) {
  std::map<std::string, Recorded> all;
  for (const auto& [key, tensor] : input) {
    if (key.starts_with("w/") && key.size() > 2) {
      all[key.substr(2)].weights = &tensor;
    } else if (key.starts_with("g/")) {
      const auto [name, step] = split_last(source, key);
      const bool number = step.size() < 10 && step.find_first_not_of("0123456789") == step.npos &&
                          (step.size() == 1 || step[0] != '0');
      if (!number) refuse_key(source, key);
      all[name].gradients[std::stoll(step)] = &tensor;
    } else if (key.starts_with("s/")) {
      const auto [name, field] = split_last(source, key);
      all[name].state.emplace(field, tensor);
    } else {
      refuse_key(source, key);
    }
  }
  if (all.empty()) {
    throw DataError({.place = source, .expected = "w/NAME and g/NAME/STEP", .found = "no tensors"});
  }
  return all;
}

void check(const std::string& source, const std::string& name, const Recorded& recorded) {
  const auto place = [&](const std::string& key) { return source + ": " + key; };
  if (!recorded.weights) {
    const auto has = recorded.gradients.empty() ? "s/" + name : "g/" + name;
    throw DataError({.place = place("w/" + name), .what = "missing", .found = has + "/..."});
  }
  if (recorded.gradients.empty()) {
    throw DataError({.place = place("g/" + name + "/0"), .what = "missing"});
  }
  std::int64_t expected = 0;
  for (const auto& [step, gradient] : recorded.gradients) {
    if (step != expected) {
      throw DataError({.place = place("g/" + name + "/" + std::to_string(expected)),
                       .what = "missing",
                       .found = "g/" + name + "/" + std::to_string(step)});
    }
    if (gradient->shape != recorded.weights->shape) {
      throw ShapeError({.place = place("g/" + name + "/" + std::to_string(step)),
                        .expected = to_string(recorded.weights->shape) + " as w/" + name,
                        .found = to_string(gradient->shape)});
    }
    ++expected;
  }
}

template <class T>
std::vector<T> values_of(const Tensor& tensor, const std::string& place) {
  if (!is_floating(tensor.dtype)) {
    throw DataError({.place = place,
                     .expected = "a floating type",
                     .found = std::string(name_of(tensor.dtype))});
  }
  auto values = tensor.to<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw DataError({.place = place,
                     .expected = "finite values",
                     .found = std::to_string(values[i]) + " at element " + std::to_string(i)});
  }
  return values;
}

template <class T>
double norm_of(const std::vector<T>& values) {
  const auto count = static_cast<Index>(values.size());
  return linalg::frobenius_norm<T>(
      ConstMatrixMap<T>(values.data(), 1, count, Eigen::OuterStride<>(count)));
}

// The request, and the norm of all gradients of each step together where that is clipped. Clipping
// is done here, for the tensors of a replay are stepped one after the other.
struct Setup : detail::ReplaySetup {
  std::map<std::int64_t, double> norms{};

  void measure(const std::map<std::string, Recorded>& all, const std::string& source) {
    if (!clip.max_norm || clip.kind != ClipKind::global) return;
    for (const auto& [name, recorded] : all) {
      for (const auto& [step, gradient] : recorded.gradients) {
        const auto place = source + ": g/" + name + "/" + std::to_string(step);
        const double norm = recorded.weights->dtype == Dtype::f64
                                ? norm_of(values_of<double>(*gradient, place))
                                : norm_of(values_of<float>(*gradient, place));
        norms[step] = std::hypot(norms[step], norm);
      }
    }
  }

  template <class T>
  void scale(std::vector<T>& gradient, std::int64_t step) const {
    if (!clip.max_norm) return;
    const double norm = clip.kind == ClipKind::global ? norms.at(step) : norm_of(gradient);
    const auto count = static_cast<Index>(gradient.size());
    if (clip.factor(norm) == 1) return;
    scale_gradient<T>(MatrixMap<T>(gradient.data(), 1, count, Eigen::OuterStride<>(count)),
                      clip.factor(norm));
  }
};

// A tensor that the rule cannot take is named with its file.
template <class T>
Optimizer<T> optimizer_for(const Parameter<T>& parameter, const ReplayRequest& request,
                           const RoutingOptions& options) {
  const auto placed = [&](ErrorParts parts) {
    parts.place = request.source + ": w/" + parameter.name;
    return parts;
  };
  try {
    return Optimizer<T>({parameter}, options, request.seed);
  } catch (const ConfigError& error) {
    throw ConfigError(placed(error.parts()));
  } catch (const ShapeError& error) {
    throw ShapeError(placed(error.parts()));
  }
}

// Everything of every step, whatever it takes.
AuditOptions all_of_it() {
  constexpr std::int64_t kAll = 1'000'000'000;
  return {.every = 1, .tensors = kAll, .matrices = kAll, .max_share = std::nullopt};
}

// A step of somebody else's trajectory: our optimizer moves the state, their weights are judged.
template <class T>
void step_of_others(const std::string& name, std::int64_t step, bool last,
                    const ReplayRequest& request, Optimizer<T>& optimizer, double factor,
                    const TensorMap& theirs, StepEvidence& evidence) {
  const auto key = "w/" + name + "/" + std::to_string(step);
  const auto found = theirs.find(key);
  if (found == theirs.end()) throw DataError({.place = key, .what = "missing in the trajectory"});
  if (found->second.shape != evidence.before.shape) {
    throw ShapeError({.place = key,
                      .expected = to_string(evidence.before.shape),
                      .found = to_string(found->second.shape)});
  }
  const auto report = optimizer.step(factor);
  if (!report.outcome.ok()) {
    throw DataError({.place = key,
                     .what = "step of rule '" + request.rule + "'",
                     .expected = "finite weights",
                     .found = std::string(to_string(report.outcome.status))});
  }
  evidence.after =
      make_tensor<T>(evidence.before.shape, values_of<T>(found->second, "trajectory: " + key));
  evidence.state_after = optimizer.state_of(name);
  if (last) {  // what they kept
    for (auto& [field, tensor] : evidence.state_after) {
      const auto kept = theirs.find("s/" + name + "/" + field);
      if (kept != theirs.end()) tensor = kept->second;
    }
  }
  StepClaim claim{.route = optimizer.routing().rows.front(), .schedule = factor, .step = step};
  const auto audited = audit(claim, evidence);
  if (request.on_audit) request.on_audit(name, step, audited);
}

// With `theirs` the steps are judged by the weights found there, and nothing is given out.
template <class T>
void replay_one(const std::string& name, const Recorded& recorded, const ReplayRequest& request,
                const Setup& setup, TensorMap* output, const TensorMap* theirs = nullptr) {
  const Shape& shape = recorded.weights->shape;
  auto weights = values_of<T>(*recorded.weights, request.source + ": w/" + name);
  std::vector<T> gradient(weights.size());
  auto optimizer = optimizer_for<T>({.name = name,
                                     .shape = shape,
                                     .weights = weights.data(),
                                     .gradient = gradient.data(),
                                     .role = Role::convolution},
                                    request, setup.routing);
  if (!recorded.state.empty()) optimizer.start_from(name, recorded.state, request.source);
  const auto total = static_cast<std::int64_t>(recorded.gradients.size());
  Auditor<T> auditor(all_of_it(), {.schedule = setup.schedule, .steps = total});
  if (request.on_audit && !theirs) optimizer.observe(&auditor);
  for (const auto& [step, tensor] : recorded.gradients) {
    const auto place = request.source + ": g/" + name + "/" + std::to_string(step);
    const auto values = values_of<T>(*tensor, place);
    std::copy(values.begin(), values.end(), gradient.begin());
    setup.scale<T>(gradient, step);
    const double factor = setup.schedule.factor(step, total);
    if (theirs) {
      StepEvidence evidence{.before = make_tensor<T>(shape, weights),
                            .gradients = {make_tensor<T>(shape, gradient)},
                            .state_before = optimizer.state_of(name)};
      step_of_others(name, step, step + 1 == total, request, optimizer, factor, *theirs, evidence);
      const auto reached = evidence.after.to<T>();
      std::copy(reached.begin(), reached.end(), weights.begin());
      continue;
    }
    const auto report = optimizer.step(factor);
    if (!report.outcome.ok()) {
      throw DataError({.place = place,
                       .what = "step of rule '" + request.rule + "'",
                       .expected = "finite weights",
                       .found = std::string(to_string(report.outcome.status))});
    }
    if (request.on_audit) request.on_audit(name, step, auditor.report());
    output->emplace("w/" + name + "/" + std::to_string(step), make_tensor<T>(shape, weights));
  }
  if (theirs) return;
  for (auto& [field, tensor] : optimizer.state_of(name)) {
    output->emplace("s/" + name + "/" + field, std::move(tensor));
  }
}

}  // namespace

namespace {

void replay_all(const TensorMap& input, const ReplayRequest& request, TensorMap* output,
                const TensorMap* theirs) {
  // The rule and its options are looked at before the data.
  Setup setup{detail::read_request(request), {}};
  const auto all = sorted(input, request.source);
  for (const auto& [name, recorded] : all) check(request.source, name, recorded);
  setup.measure(all, request.source);
  for (const auto& [name, recorded] : all) {
    if (recorded.weights->dtype == Dtype::f64) {
      replay_one<double>(name, recorded, request, setup, output, theirs);
    } else {
      replay_one<float>(name, recorded, request, setup, output, theirs);
    }
  }
}

}  // namespace

TensorMap replay(const TensorMap& input, const ReplayRequest& request) {
  TensorMap output;
  replay_all(input, request, &output, nullptr);
  return output;
}

void audit_trajectory(const TensorMap& input, const TensorMap& trajectory,
                      const ReplayRequest& request) {
  replay_all(input, request, nullptr, &trajectory);
}

}  // namespace muonflow::optim
