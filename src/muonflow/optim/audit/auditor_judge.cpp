// The checks of an audited step.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/audit/detail/composed.hpp"
#include "muonflow/optim/audit/detail/taken.hpp"
#include "muonflow/optim/audit/routes.hpp"

namespace muonflow::optim {
namespace {

using detail::copied, detail::digest, detail::failed_check, detail::same_bits, detail::weights_of;

// The schedule, once more: see schedule.hpp for what it says.
double factor_of(const Schedule& s, std::int64_t step, std::int64_t total) {
  const auto at = static_cast<double>(step), end = static_cast<double>(total);
  if (step < s.warmup) return (at + 1) / static_cast<double>(s.warmup);
  double first = static_cast<double>(s.warmup);
  if (s.kind == ScheduleKind::constant) return 1;
  if (s.kind == ScheduleKind::wsd) first = std::max(first, end * (1 - s.decay_fraction));
  if (at < first) return 1;
  if (at >= end) return s.floor;
  const double part = (at - first) / (end - first);
  const double left =
      s.kind == ScheduleKind::cosine ? (1 + std::cos(std::numbers::pi * part)) / 2 : 1 - part;
  return s.floor + (1 - s.floor) * left;
}

AuditCheck stayed(const Route& row, const std::string& why, bool did) {
  auto check = failed_check(row.tensor, row.rule, why + ": weights and state stay", 0, did ? 0 : 1,
                            did ? "" : "they moved");
  check.verdict = did ? Verdict::passed : Verdict::failed;
  return check;
}

bool near(double a, double b) { return std::abs(a - b) <= 0.01 * std::abs(b); }

}  // namespace

// What a pass added along W, against the slope of its loss over the number of micro-batches.
template <class T>
AuditCheck Auditor<T>::check_slope(Optimizer<T>& optimizer) const {
  const auto count = static_cast<double>(run_.micro_batches);
  const double added = along(optimizer) - along_;
  AuditCheck check{.tensor = known_->tensors.front(),
                   .rule = "",
                   .quantity = "what a micro-batch adds to the gradient, along the weights",
                   .expected = known_->slope / count,
                   .found = added};
  for (const auto& row : optimizer.routing().rows) {
    if (row.tensor == check.tensor) check.rule = row.rule;
  }
  // Products and sums of T, of which only what is along W is seen.
  check.bound = 1024 * static_cast<double>(std::numeric_limits<T>::epsilon()) *
                (known_->size / count + std::abs(along_));
  if (std::abs(check.found - check.expected) <= check.bound) return check;
  check.verdict = Verdict::failed;
  const double ratio = added / check.expected;
  if (near(ratio, 0)) {
    check.note = "nothing was added";
  } else if (count > 1 && near(ratio, count)) {
    check.note = "as if it were not divided by the number of micro-batches";
  } else if (count > 1 && near(ratio, 1 / count)) {
    check.note = "as if it were divided twice by the number of micro-batches";
  } else if (near(ratio, 2)) {
    check.note = "as if it were added twice";
  } else if (near(ratio, -1)) {
    check.note = "the sign is flipped";
  } else {
    check.note = "not the mean of the micro-batches' gradients";
  }
  return check;
}

template <class T>
AuditCheck Auditor<T>::check_passes(const Route& row) const {
  AuditCheck seen{.tensor = row.tensor,
                  .rule = row.rule,
                  .quantity = "micro-batches of the step",
                  .expected = static_cast<double>(run_.micro_batches),
                  .found = static_cast<double>(backward_passes_)};
  if (backward_passes_ != run_.micro_batches) {
    seen.verdict = Verdict::failed;
    seen.note = backward_passes_ < run_.micro_batches ? "a step before all were in"
                                                      : "more than the step is the mean of";
  }
  return seen;
}

// The rule looked at the gradient and left it: clipped, and nothing else.
template <class T>
AuditCheck Auditor<T>::check_kept(const Route& row, const std::vector<T>& left,
                                  const Watched& watched, double clip) const {
  const auto raw = watched.evidence.gradients.front().template as<T>();
  double worst = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto expected = static_cast<T>(clip * static_cast<double>(raw[i]));
    const double off = static_cast<double>(std::abs(left[i] - expected)) /
                       std::max(static_cast<double>(std::abs(expected)), 1e-30);
    if (!(off <= worst)) worst = off;
  }
  AuditCheck kept{.tensor = row.tensor,
                  .rule = row.rule,
                  .quantity = "gradient after the step",
                  .expected = 0,
                  .found = worst,
                  .bound = std::max(8 * static_cast<double>(std::numeric_limits<T>::epsilon()),
                                    1024 * std::numeric_limits<double>::epsilon())};
  if (!(worst <= kept.bound)) {
    kept.verdict = Verdict::failed;
    kept.note = clip == 1 ? "it was written to" : "clipped by another factor, or written to";
  }
  return kept;
}

template <class T>
void Auditor<T>::judge_one(Optimizer<T>& optimizer, Watched& w, const StepReport& report,
                           AuditReport& all) {
  const auto& parameter = optimizer.parameters()[w.index];
  const auto& row = optimizer.routing().rows[w.index];
  const auto off = [&](const std::string& why) {
    all.checks.push_back({.tensor = row.tensor,
                          .rule = row.rule,
                          .quantity = "all",
                          .verdict = Verdict::off,
                          .note = why});
  };
  auto& evidence = w.evidence;
  evidence.after = weights_of(parameter);
  evidence.state_after = optimizer.state_of(parameter.name);
  const auto left = digest(evidence.after, evidence.state_after);
  const bool unmoved = digest(evidence.before, evidence.state_before) == left;
  if (report.clipped_heads == 0) left_.emplace_back(w.index, left);
  if (!parameter.gradient) {
    all.checks.push_back(stayed(row, "no gradient", unmoved));
    return;
  }
  if (!std::all_of(evidence.gradients.begin(), evidence.gradients.end(), detail::is_finite<T>)) {
    all.checks.push_back(stayed(row, "a gradient that is not finite", unmoved));
    return;
  }
  if (!report.outcome.ok()) {
    off("the step was not taken, or not for all tensors");
    return;
  }
  if (!detail::is_finite<T>(evidence.after)) {
    all.checks.push_back(failed_check(row.tensor, row.rule, "weights that are not finite", 0, 1,
                                      "the step was said to be sound"));
    return;
  }
  StepClaim claim{.route = row,
                  .schedule = schedule_,
                  .step = step_,
                  .clip = clip_,
                  .clip_norm = optimizer.options().clip.max_norm};
  if (overwritten_) claim.micro_batches = run_.micro_batches;
  const auto& clip = optimizer.options().clip;
  if (clip.max_norm && clip.kind == ClipKind::tensor) {
    Vector<double> mean = Vector<double>::Zero(element_count(row.shape));
    for (const auto& gradient : evidence.gradients) {
      const auto values = gradient.template to<double>();
      mean += Eigen::Map<const Vector<double>>(values.data(), mean.size()) /
              static_cast<double>(evidence.gradients.size());
    }
    if (mean.norm() > *clip.max_norm) claim.clip = *clip.max_norm / mean.norm();
  }
  if (!overwritten_) {
    if (told_of_passes_ || run_.micro_batches > 1) {
      all.checks.push_back(check_passes(row));
      const auto raw = evidence.gradients.front().template as<T>();
      if (backward_passes_ > 0 && !same_bits(w.sum, std::vector<T>(raw.begin(), raw.end()))) {
        all.checks.push_back(failed_check(row.tensor, row.rule, "gradient since the backward pass",
                                          0, 1,
                                          "the step was given another gradient than was computed"));
      }
    }
    all.checks.push_back(check_kept(row, copied(detail::gradient_rows(parameter)), w, claim.clip));
  }
  // Matrices of a stack are drawn by their number: a run of them from a random place on.
  const auto matrices = std::max<std::size_t>(1, detail::cutouts(row).size());
  const auto from = static_cast<std::size_t>(rng_.below(matrices));
  const auto sampled = static_cast<std::size_t>(options_.matrices);
  try {
    all.append(audit(claim, evidence,
                     [&](std::size_t k) { return (k + matrices - from) % matrices < sampled; }));
  } catch (const DataError& error) {  // a decomposition of the audit's own that failed
    off(error.what());
  }
}

template <class T>
void Auditor<T>::judge(Optimizer<T>& optimizer, const StepReport& report) {
  AuditReport all = std::exchange(pending_, {});
  if (totals_.audits == 0) {
    all.append(audit_routes(optimizer.routing(), optimizer.parameters(), optimizer.options()));
  }
  if (run_.schedule) {
    const double claimed = factor_of(*run_.schedule, run_step_.value_or(step_), run_.steps);
    AuditCheck check{.tensor = "all tensors",
                     .rule = "",
                     .quantity = "schedule",
                     .expected = claimed,
                     .found = schedule_,
                     .bound = 1e-12};
    if (!(std::abs(schedule_ - claimed) <= check.bound)) check.verdict = Verdict::failed;
    all.checks.push_back(std::move(check));
  }
  for (auto& w : watched_) judge_one(optimizer, w, report, all);
  audited_step_ = step_;
  ++totals_.audits;
  note(std::move(all));
}

#define MUONFLOW_INSTANTIATE(T)                                                                   \
  template AuditCheck Auditor<T>::check_slope(Optimizer<T>&) const;                               \
  template AuditCheck Auditor<T>::check_passes(const Route&) const;                               \
  template AuditCheck Auditor<T>::check_kept(const Route&, const std::vector<T>&, const Watched&, \
                                             double) const;                                       \
  template void Auditor<T>::judge_one(Optimizer<T>&, Watched&, const StepReport&, AuditReport&);  \
  template void Auditor<T>::judge(Optimizer<T>&, const StepReport&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::optim
