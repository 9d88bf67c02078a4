#include "muonflow/optim/audit/auditor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <utility>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/detail/borrowed.hpp"

namespace muonflow::optim {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class T>
std::vector<T> copied(const MatrixMap<T>& rows) {
  std::vector<T> values(static_cast<std::size_t>(rows.size()));
  MatrixMap<T>(values.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())) = rows;
  return values;
}

std::uint64_t digest(const void* data, std::size_t size, std::uint64_t seed) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t h = seed ^ 0x9e3779b97f4a7c15ULL;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, 8);
    h = (h ^ word) * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;
  }
  for (; i < size; ++i) h = (h ^ bytes[i]) * 0x100000001b3ULL;
  return h;
}

std::uint64_t digest(const Tensor& weights, const TensorMap& state) {
  std::uint64_t h = digest(weights.bytes.data(), weights.bytes.size(), 1);
  for (const auto& [name, tensor] : state) h = digest(tensor.bytes.data(), tensor.bytes.size(), h);
  return h;
}

template <class T>
Tensor weights_of(const Parameter<T>& parameter) {
  return make_tensor<T>(parameter.shape, copied(detail::weight_rows(parameter)));
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

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

AuditCheck failed(const std::string& tensor, const std::string& rule, const std::string& quantity,
                  double expected, double found, const std::string& note) {
  return {.tensor = tensor,
          .rule = rule,
          .quantity = quantity,
          .expected = expected,
          .found = found,
          .bound = 0,
          .verdict = Verdict::failed,
          .note = note};
}

}  // namespace

std::string AuditTotals::to_text() const {
  std::string text = fmt::format("{} audit{}, {} checks, {} failed, {:.2f}% of the time", audits,
                                 audits == 1 ? "" : "s", checks, failed, 100 * share());
  if (off > 0) text += fmt::format(", {} not judged", off);
  if (put_off > 0) text += fmt::format(", {} put off", put_off);
  return text;
}

template <class T>
Auditor<T>::Auditor(const AuditOptions& options, const AuditedRun& run)
    : options_(options), run_(run), rng_(static_cast<std::uint64_t>(options.seed), 0xa0d17) {}

template <class T>
bool Auditor<T>::due(const Optimizer<T>& optimizer) {
  if (due_) return *due_;
  if (!options_.every) return false;
  const auto step = optimizer.steps();
  // What waited is made up for at the next step that can afford it.
  const bool wanted = step < 2 || step % *options_.every == 0 ||
                      (audited_step_ >= 0 && step - audited_step_ >= *options_.every);
  bool affordable = true;
  if (wanted && options_.max_share && totals_.audits >= 2) {
    const double elapsed = now() - begin_;
    affordable = totals_.seconds + longest_ <= *options_.max_share * elapsed;
    if (!affordable && step % *options_.every == 0) ++totals_.put_off;
  }
  due_ = wanted && affordable;
  if (*due_) choose(optimizer);
  return *due_;
}

// Draws without return, rules alternating, so that every rule is met early.
template <class T>
void Auditor<T>::choose(const Optimizer<T>& optimizer) {
  const auto& rows = optimizer.routing().rows;
  watched_.clear();
  const auto wanted =
      std::min<std::size_t>(static_cast<std::size_t>(options_.tensors), rows.size());
  while (watched_.size() < wanted) {
    if (turn_.empty()) {
      std::vector<std::size_t> mixed(rows.size());
      for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] = i;
      for (std::size_t i = mixed.size(); i > 1; --i) {
        std::swap(mixed[i - 1], mixed[static_cast<std::size_t>(rng_.below(i))]);
      }
      std::map<std::string, std::size_t> seen;  // how many of a rule came before
      std::vector<std::size_t> round(rows.size());
      for (const auto i : mixed) round[i] = seen[rows[i].rule]++;
      std::stable_sort(mixed.begin(), mixed.end(),
                       [&](auto a, auto b) { return round[a] < round[b]; });
      turn_.assign(mixed.rbegin(), mixed.rend());
    }
    const auto index = turn_.back();
    turn_.pop_back();
    const bool again = std::any_of(watched_.begin(), watched_.end(),
                                   [&](const Watched& w) { return w.index == index; });
    if (!again) watched_.push_back({.index = index, .evidence = {}, .sum = {}});
  }
}

template <class T>
void Auditor<T>::before_backward(Optimizer<T>& optimizer) {
  if (!due(optimizer)) return;
  const double begin = now();
  for (auto& w : watched_) {
    const auto& parameter = optimizer.parameters()[w.index];
    if (!parameter.gradient) continue;
    const auto& row = optimizer.routing().rows[w.index];
    const auto tell = [&](const char* quantity, const char* note) {
      pending_.checks.push_back(failed(row.tensor, row.rule, quantity, 0, 1, note));
    };
    if (backward_passes_ == 0) {
      if (!detail::gradient_rows(parameter).isZero(0)) {
        tell("gradient before the first micro-batch", "what was there before was not cleared");
      }
    } else if (!same_bits(copied(detail::gradient_rows(parameter)), w.sum)) {
      tell("gradient between micro-batches", "what earlier micro-batches added was changed");
    }
  }
  opened_ += now() - begin;
}

template <class T>
void Auditor<T>::after_backward(Optimizer<T>& optimizer) {
  if (!due(optimizer)) return;
  ++backward_passes_;
  const double begin = now();
  for (auto& w : watched_) {
    const auto& parameter = optimizer.parameters()[w.index];
    w.sum = parameter.gradient ? copied(detail::gradient_rows(parameter)) : std::vector<T>();
  }
  opened_ += now() - begin;
}

template <class T>
void Auditor<T>::micro_batch(Optimizer<T>& optimizer) {
  overwritten_ = true;
  if (!due(optimizer)) return;
  ++backward_passes_;
  const double begin = now();
  for (auto& w : watched_) {
    const auto& parameter = optimizer.parameters()[w.index];
    if (!parameter.gradient) continue;
    w.evidence.gradients.push_back(
        make_tensor<T>(parameter.shape, copied(detail::gradient_rows(parameter))));
  }
  opened_ += now() - begin;
}

template <class T>
void Auditor<T>::before_step(Optimizer<T>& optimizer, double schedule) {
  fresh_ = false;
  if (begin_ < 0) begin_ = now();
  const bool audited = due(optimizer);
  if (!audited && left_.empty()) return;
  const double begin = now();
  if (!left_.empty()) {  // nobody touched what the audited step left
    for (const auto& [index, left] : left_) {
      const auto& parameter = optimizer.parameters()[index];
      if (digest(weights_of(parameter), optimizer.state_of(parameter.name)) == left) continue;
      const auto& row = optimizer.routing().rows[index];
      pending_.checks.push_back(failed(row.tensor, row.rule, "weights and state between two steps",
                                       0, 1, "something else than the step changed them"));
    }
    left_.clear();
  }
  if (audited) {
    schedule_ = schedule;
    // The audit's own clipping factor, from all raw gradients.
    const auto& clip = optimizer.options().clip;
    clip_ = 1;
    if (clip.max_norm && clip.kind == ClipKind::global) {
      double squares = 0;
      for (const auto& parameter : optimizer.parameters()) {
        if (!parameter.gradient) continue;
        const double sum = detail::gradient_rows(parameter).template cast<double>().squaredNorm();
        if (std::isfinite(sum)) squares += sum;  // others are left out of the step
      }
      const double norm = std::sqrt(squares);
      if (norm > *clip.max_norm) clip_ = *clip.max_norm / norm;
    }
    for (auto& w : watched_) {
      const auto& parameter = optimizer.parameters()[w.index];
      w.evidence.before = weights_of(parameter);
      w.evidence.state_before = optimizer.state_of(parameter.name);
      if (parameter.gradient && !overwritten_) {
        w.evidence.gradients = {
            make_tensor<T>(parameter.shape, copied(detail::gradient_rows(parameter)))};
      }
    }
  }
  opened_ += now() - begin;
  if (!audited) totals_.seconds += std::exchange(opened_, 0.0);
}

template <class T>
void Auditor<T>::after_step(Optimizer<T>& optimizer, const StepReport& report) {
  totals_.run_seconds = begin_ < 0 ? 0 : now() - begin_;
  if (!due_.value_or(false)) {
    due_.reset();
    if (!pending_.checks.empty()) note(std::exchange(pending_, {}));
    return;
  }
  const double begin = now();
  if (report.outcome.status != Status::non_finite_input || report.outcome.changed) {
    judge(optimizer, report);
  }
  watched_.clear();
  due_.reset();
  backward_passes_ = 0;
  opened_ += now() - begin;
  longest_ = std::max(longest_, opened_);
  totals_.seconds += std::exchange(opened_, 0.0);
  totals_.run_seconds = now() - begin_;
}

template <class T>
void Auditor<T>::judge(Optimizer<T>& optimizer, const StepReport& report) {
  AuditReport all = std::exchange(pending_, {});
  const auto step = optimizer.steps();
  if (run_.schedule) {
    const double claimed = factor_of(*run_.schedule, run_step_.value_or(step), run_.steps);
    AuditCheck check{.tensor = "all tensors",
                     .rule = "",
                     .quantity = "schedule",
                     .expected = claimed,
                     .found = schedule_,
                     .bound = 1e-12};
    if (!(std::abs(schedule_ - claimed) <= check.bound)) check.verdict = Verdict::failed;
    all.checks.push_back(std::move(check));
  }
  const bool clips_heads = report.clipped_heads > 0;
  for (auto& w : watched_) {
    const auto& parameter = optimizer.parameters()[w.index];
    const auto& row = optimizer.routing().rows[w.index];
    const auto off = [&](const std::string& why) {
      all.checks.push_back({.tensor = row.tensor,
                            .rule = row.rule,
                            .quantity = "all",
                            .verdict = Verdict::off,
                            .note = why});
    };
    w.evidence.after = weights_of(parameter);
    w.evidence.state_after = optimizer.state_of(parameter.name);
    if (!clips_heads) left_.emplace_back(w.index, digest(w.evidence.after, w.evidence.state_after));
    if (!parameter.gradient) {
      const bool stayed = digest(w.evidence.before, w.evidence.state_before) ==
                          digest(w.evidence.after, w.evidence.state_after);
      auto check = failed(row.tensor, row.rule, "no gradient: weights and state stay", 0,
                          stayed ? 0 : 1, stayed ? "" : "they moved");
      check.verdict = stayed ? Verdict::passed : Verdict::failed;
      all.checks.push_back(std::move(check));
      continue;
    }
    if (!report.outcome.ok()) {
      off("the step was not taken, or not for all tensors");
      continue;
    }
    StepClaim claim{.route = row,
                    .schedule = schedule_,
                    .step = step,
                    .clip = clip_,
                    .clip_norm = optimizer.options().clip.max_norm};
    if (overwritten_) claim.micro_batches = run_.micro_batches;
    const auto& clip = optimizer.options().clip;
    if (clip.max_norm && clip.kind == ClipKind::tensor) {
      double squares = 0;
      for (const double g : w.evidence.gradients.front().template to<double>()) squares += g * g;
      const double norm = std::sqrt(squares);
      if (norm > *clip.max_norm) claim.clip = *clip.max_norm / norm;
    }
    if (!overwritten_ && (backward_passes_ > 0 || run_.micro_batches > 1)) {
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
      all.checks.push_back(std::move(seen));
      const auto raw = w.evidence.gradients.front().template as<T>();
      if (backward_passes_ > 0 && !same_bits(w.sum, std::vector<T>(raw.begin(), raw.end()))) {
        all.checks.push_back(failed(row.tensor, row.rule, "gradient since the backward pass", 0, 1,
                                    "the step was given another gradient than was computed"));
      }
    }
    // The rule looked at the gradient and left it: clipped, and nothing else.
    if (!overwritten_) {
      const auto raw = w.evidence.gradients.front().template as<T>();
      const auto left = copied(detail::gradient_rows(parameter));
      double worst = 0;
      for (std::size_t i = 0; i < left.size(); ++i) {
        const auto expected = static_cast<T>(claim.clip * static_cast<double>(raw[i]));
        worst = std::max(worst, static_cast<double>(std::abs(left[i] - expected)) /
                                    std::max(static_cast<double>(std::abs(expected)), 1e-30));
      }
      AuditCheck kept{.tensor = row.tensor,
                      .rule = row.rule,
                      .quantity = "gradient after the step",
                      .expected = 0,
                      .found = worst,
                      .bound = 8 * static_cast<double>(std::numeric_limits<T>::epsilon())};
      if (worst > kept.bound) {
        kept.verdict = Verdict::failed;
        kept.note =
            claim.clip == 1 ? "it was written to" : "clipped by another factor, or written to";
      }
      all.checks.push_back(std::move(kept));
    }
    const auto count = element_count(parameter.shape);
    const auto sampled = static_cast<std::uint64_t>(options_.matrices);
    // Matrices of a stack are drawn by their number: a run of them from a random place on.
    const std::uint64_t from =
        rng_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 1)));
    std::size_t matrices = 1;
    const auto whole =
        matrices_of(row.shape, row.role, row.resolved.layout, row.split_sizes, row.num_heads);
    matrices = std::max<std::size_t>(1, whole.size());
    try {
      all.append(audit(claim, w.evidence, [&](std::size_t k) {
        return (k + matrices - from % matrices) % matrices < sampled;
      }));
    } catch (const DataError& error) {  // a step that overflowed is the run's own trouble
      off(error.what());
    }
  }
  audited_step_ = step;
  ++totals_.audits;
  note(std::move(all));
}

template <class T>
void Auditor<T>::note(AuditReport report) {
  totals_.checks += report.judged();
  totals_.failed += report.failed();
  for (const auto& check : report.checks) {
    if (check.verdict != Verdict::off) continue;
    ++totals_.off;
    reasons_.emplace(check.note, check.tensor + ": " + check.quantity);
  }
  report_ = std::move(report);
  fresh_ = true;
}

template <class T>
const AuditCheck* Auditor<T>::failure() const {
  return fresh_ ? report_.failure() : nullptr;
}

template <class T>
void Auditor<T>::forget() {
  left_.clear();
  watched_.clear();
  pending_ = {};
  due_.reset();
  backward_passes_ = 0;
}

template class Auditor<float>;
template class Auditor<double>;

}  // namespace muonflow::optim
