#include "muonflow/optim/audit/audit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/audit/detail/judge.hpp"

namespace muonflow::optim {
namespace {

using detail::Cutout;
using detail::Real;

// The audit computes in double as well, and its clipping factor is of a norm over all gradients: of
// a run in double it allows what either may have rounded.
constexpr double kOwnRounding = 64 * std::numeric_limits<double>::epsilon();

double roundoff(Dtype dtype) {
  return dtype == Dtype::f64 ? std::numeric_limits<double>::epsilon() / 2
                             : std::numeric_limits<float>::epsilon() / 2;
}

std::vector<double> values_of(const Tensor& tensor, const Shape& shape, const std::string& place,
                              const char* what) {
  if (tensor.shape != shape || !is_floating(tensor.dtype)) {
    throw ShapeError({.place = place,
                      .what = what,
                      .expected = "a floating " + to_string(shape),
                      .found = std::string(name_of(tensor.dtype)) + " " + to_string(tensor.shape)});
  }
  auto values = tensor.to<double>();
  for (const double value : values) {
    if (!std::isfinite(value)) {
      throw DataError({.place = place, .what = what, .expected = "finite values"});
    }
  }
  return values;
}

Real matrix_of(const std::vector<double>& values, const Cutout& cut) {
  return ConstMatrixMap<double>(values.data() + cut.begin, cut.rows, cut.cols,
                                Eigen::OuterStride<>(cut.cols));
}

// The number of steps taken; none where the state does not say.
std::optional<std::int64_t> steps_in(const TensorMap& state) {
  const auto it = state.find("step");
  if (it == state.end()) return {};
  if (is_floating(it->second.dtype)) {
    return static_cast<std::int64_t>(it->second.to<double>().at(0));
  }
  return it->second.to<std::int64_t>().at(0);
}

AuditCheck counted(const StepClaim& claim, const std::string& quantity, std::int64_t expected,
                   std::int64_t found, const std::string& note) {
  const bool right = expected == found;
  return {.tensor = claim.route.tensor,
          .rule = claim.route.rule,
          .quantity = quantity,
          .expected = static_cast<double>(expected),
          .found = static_cast<double>(found),
          .bound = 0,
          .verdict = right ? Verdict::passed : Verdict::failed,
          .note = right ? "" : note};
}

// Shape scale, and what hyperparameter transfer multiplies: a tuned model's scale is that of the
// base model's shape.
double multiplier_of(const Route& route, const Cutout& cut) {
  double by = route.has_base ? route.transfer_lr : 1;
  if (route.shape.size() < 2) return by;
  const double rows = route.has_base ? route.base_rows : 1;
  const double cols = route.has_base ? route.base_cols : 1;
  return by * detail::scale_of(route.resolved.adjust_lr, detail::base_side(cut.rows, rows),
                               detail::base_side(cut.cols, cols));
}

std::optional<detail::Scene::Warmup> warmup_of(const StepClaim& claim) {
  const auto& warmup = claim.route.momentum_warmup;
  if (warmup.steps <= 0 || claim.step >= warmup.steps) return {};
  return {{warmup.start, static_cast<double>(claim.step) / static_cast<double>(warmup.steps)}};
}

bool of_direction(const AuditCheck& check) {
  return check.quantity == "polar error" || check.quantity == "dual gap" ||
         check.quantity == "direction";
}

// Matrices that were worked on as one: then the tensor as a single matrix passes.
void name_if_laid_flat(const StepClaim& claim, const StepEvidence& evidence, AuditReport& report) {
  const auto failed = [](const AuditCheck& check) {
    return check.verdict == Verdict::failed && of_direction(check);
  };
  if (std::none_of(report.checks.begin(), report.checks.end(), failed)) return;
  StepClaim flat = claim;
  flat.route.resolved.layout = Layout::conv;
  flat.route.split_sizes.clear();
  flat.route.num_heads.reset();
  const auto as_one = audit(flat, evidence);
  bool judged = false;
  for (const auto& check : as_one.checks) {
    if (failed(check)) return;
    judged = judged || (of_direction(check) && check.verdict == Verdict::passed);
  }
  if (!judged) return;
  for (auto& check : report.checks) {
    if (failed(check)) check.note = "as if its matrices were one, laid flat";
  }
}

}  // namespace

StepClaim claim_of(const std::string& tensor, const Shape& shape, const std::string& rule,
                   const std::string& options, Role role) {
  StepClaim claim;
  claim.route.tensor = tensor;
  claim.route.shape = shape;
  claim.route.role = role;
  claim.route.rule = rule;
  claim.route.resolved = resolve_rule(rule, OptionsTree(options).json());
  claim.route.lr = claim.route.resolved.lr;
  claim.route.weight_decay = claim.route.resolved.weight_decay;
  return claim;
}

AuditReport audit(const StepClaim& claim, const StepEvidence& evidence,
                  const std::function<bool(std::size_t matrix)>& wanted) {
  const Route& route = claim.route;
  const auto& resolved = route.resolved;
  AuditReport report;
  const auto before = values_of(evidence.before, route.shape, route.tensor, "weights before");
  const auto after = values_of(evidence.after, route.shape, route.tensor, "weights after");
  std::vector<std::vector<double>> gradients;
  for (const auto& gradient : evidence.gradients) {
    gradients.push_back(values_of(gradient, route.shape, route.tensor, "gradient"));
  }
  const auto found_batches = static_cast<std::int64_t>(gradients.size());
  report.checks.push_back(counted(claim, "gradients of the step", claim.micro_batches,
                                  found_batches, "a step for each micro-batch"));
  if (found_batches == 0) return report;
  const auto t = steps_in(evidence.state_before).value_or(claim.step);
  if (const auto next = steps_in(evidence.state_after)) {
    report.checks.push_back(
        counted(claim, "steps taken", t + 1, *next, "the step was not taken once"));
  }
  const detail::OptionValues options(*resolved.rule);
  const auto all = detail::cutouts(route);
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (wanted && !wanted(k)) continue;
    const Cutout& cut = all[k];
    detail::Case one;
    one.claim = &claim;
    one.rows = cut.rows;
    one.cols = cut.cols;
    auto& s = one.scene;
    s.claims = resolved.rule->info().claims;
    s.options = options;
    s.W = matrix_of(before, cut);
    s.t = t;
    s.roundoff = roundoff(evidence.before.dtype);
    s.unit = std::max(s.roundoff, kOwnRounding);
    s.lr = route.lr * claim.schedule;
    s.scale = multiplier_of(route, cut);
    s.warmup = warmup_of(claim);
    s.before = detail::state_of_matrix(evidence.state_before, route.shape, all, k);
    s.after = detail::state_of_matrix(evidence.state_after, route.shape, all, k);
    one.raw.setZero(cut.rows, cut.cols);
    s.G_size.setZero(cut.rows, cut.cols);
    const double part = 1 / static_cast<double>(found_batches);
    for (const auto& gradient : gradients) {
      one.micro.push_back(matrix_of(gradient, cut));
      one.raw += part * one.micro.back();
      s.G_size += part * one.micro.back().cwiseAbs();
    }
    s.G = claim.clip * one.raw;
    s.G_size *= claim.clip;
    const double wd = route.weight_decay;
    if (wd != 0 && resolved.decay == Decay::coupled) {
      s.G += wd * s.W;
      s.G_size += wd * s.W.cwiseAbs();
    }
    one.decay = detail::kept_of(resolved.decay, s.lr, claim.schedule, wd);
    one.decay_first = detail::decays_before(resolved.decay);
    one.cautious_decay =
        wd != 0 && resolved.decay != Decay::coupled && resolved.transforms.cautious.decay;
    s.kept = one.decay_first ? one.decay : 1;
    one.W1 = matrix_of(after, cut);
    for (auto& check : detail::judge(one)) {
      check.tensor = route.tensor + (all.size() > 1 ? " #" + std::to_string(k) : "");
      report.checks.push_back(std::move(check));
    }
  }
  if (all.size() > 1 && route.shape.size() >= 2) name_if_laid_flat(claim, evidence, report);
  return report;
}

}  // namespace muonflow::optim
