// Which steps are looked at, and what is taken of them; auditor_sample.cpp says which tensors,
// auditor_judge.cpp judges.
#include "muonflow/optim/audit/auditor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "muonflow/optim/audit/detail/taken.hpp"

namespace muonflow::optim {
namespace {

using detail::copied, detail::digest, detail::failed_check, detail::same_bits, detail::weights_of;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
void Auditor<T>::at_step(std::int64_t run_step, std::int64_t skipped) {
  run_step_ = run_step;
  skipped_ = skipped;
  heeded_ = true;
}

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
    affordable = totals_.seconds + longest_ <=
                 std::max(options_.free_seconds, *options_.max_share * elapsed);
    if (!affordable && step % *options_.every == 0) ++totals_.put_off;
  }
  due_ = wanted && affordable;
  if (*due_) choose(optimizer);
  return *due_;
}

// <W, gradient> over the tensors of the known slope.
template <class T>
double Auditor<T>::along(Optimizer<T>& optimizer) const {
  double sum = 0;
  for (const auto& name : known_->tensors) {
    for (const auto& parameter : optimizer.parameters()) {
      if (parameter.name != name || !parameter.gradient) continue;
      const auto W = detail::weight_rows(parameter);
      const auto G = detail::gradient_rows(parameter);
      sum += W.template cast<double>().cwiseProduct(G.template cast<double>()).sum();
    }
  }
  return sum;
}

template <class T>
void Auditor<T>::before_backward(Optimizer<T>& optimizer,
                                 const std::function<KnownSlope()>& known) {
  told_of_passes_ = true;
  if (!due(optimizer)) return;
  const double begin = now();
  for (auto& w : watched_) {
    const auto& parameter = optimizer.parameters()[w.index];
    if (!parameter.gradient) continue;
    const auto& row = optimizer.routing().rows[w.index];
    const auto tell = [&](const char* quantity, const char* note) {
      pending_.checks.push_back(failed_check(row.tensor, row.rule, quantity, 0, 1, note));
    };
    if (backward_passes_ == 0) {
      if (!detail::gradient_rows(parameter).isZero(0)) {
        tell("gradient before the first micro-batch", "what was there before was not cleared");
      }
    } else if (!same_bits(copied(detail::gradient_rows(parameter)), w.sum)) {
      tell("gradient between micro-batches", "what earlier micro-batches added was changed");
    }
  }
  known_.reset();
  if (known) {
    if (backward_passes_ == 0) slopes_.clear();
    known_ = known();
    along_ = along(optimizer);
    const bool again = std::find(slopes_.begin(), slopes_.end(), known_->slope) != slopes_.end();
    if (again && known_->distinct && known_->size > 0) {
      pending_.checks.push_back(failed_check(
          "all tensors", "", "micro-batches that differ", static_cast<double>(backward_passes_ + 1),
          static_cast<double>(backward_passes_), "the same data a second time"));
    }
    slopes_.push_back(known_->slope);
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
  if (known_) pending_.checks.push_back(check_slope(optimizer));
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
  // A second step before the loop could look at the first must not hide what that one failed by.
  if (run_step_ && !heeded_ && failure()) pending_.checks.push_back(*failure());
  fresh_ = false;
  if (begin_ < 0) begin_ = now();
  step_ = optimizer.steps();
  const bool audited = due(optimizer);
  if (options_.every && run_step_ && *run_step_ != step_ + skipped_) {
    pending_.checks.push_back(failed_check(
        "all tensors", "", "steps of the run before this one", static_cast<double>(*run_step_),
        static_cast<double>(step_ + skipped_), "the optimizer has not taken one for each"));
  }
  if (!audited && left_.empty()) return;
  const double begin = now();
  if (!left_.empty()) {  // nobody touched what the audited step left
    for (const auto& [index, left] : left_) {
      const auto& parameter = optimizer.parameters()[index];
      if (digest(weights_of(parameter), optimizer.state_of(parameter.name)) == left) continue;
      const auto& row = optimizer.routing().rows[index];
      pending_.checks.push_back(failed_check(row.tensor, row.rule,
                                             "weights and state between two steps", 0, 1,
                                             "something else than the step changed them"));
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
  if (options_.every) look_for_overflow(optimizer, report);
  if (!due_.value_or(false)) {
    due_.reset();
    if (!pending_.checks.empty()) note(std::exchange(pending_, {}));
    return;
  }
  const double begin = now();
  double work = 0;
  for (const auto& w : watched_) work += work_of(optimizer.routing().rows[w.index]);
  if (report.outcome.status != Status::non_finite_input || report.outcome.changed) {
    judge(optimizer, report);
  }
  watched_.clear();
  due_.reset();
  backward_passes_ = 0;
  opened_ += now() - begin;
  longest_ = std::max(longest_, opened_);
  rate_ = work > 0 ? opened_ / work : 0;
  totals_.seconds += std::exchange(opened_, 0.0);
  totals_.run_seconds = now() - begin_;
}

// Weights that are not finite, of a gradient and weights of a moderate size: no rule does that.
template <class T>
void Auditor<T>::look_for_overflow(Optimizer<T>& optimizer, const StepReport& report) {
  if (report.outcome.status != Status::non_finite_result) return;
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const auto& parameter = optimizer.parameters()[i];
    const auto& row = optimizer.routing().rows[i];
    if (parameter.name != report.tensor || !parameter.gradient) continue;
    const auto moderate = [](const auto& x) { return (x.array().abs() < T(1e9)).all(); };
    if (!moderate(detail::gradient_rows(parameter)) || !moderate(detail::weight_rows(parameter)) ||
        row.lr > 1e3 || row.weight_decay > 1e3) {
      continue;
    }
    auto check = failed_check(parameter.name, row.rule, "result of the rule", 0, 1,
                              "gradient and weights before it are of moderate size");
    check.expected_words = "finite weights";
    check.found_words = "weights that are not";
    pending_.checks.push_back(std::move(check));
  }
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
  heeded_ = false;
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
  known_.reset();
  backward_passes_ = 0;
}

template <class T>
void Auditor<T>::restored(const Optimizer<T>& optimizer, const TensorMap& state) {
  if (!options_.every) return;
  const double begin = now();
  const auto own = optimizer.state();
  for (const auto& [name, tensor] : state) {
    const auto it = own.find(name);
    const bool same =
        it != own.end() && std::equal(tensor.bytes.begin(), tensor.bytes.end(),
                                      it->second.bytes.begin(), it->second.bytes.end());
    if (same) continue;
    pending_.checks.push_back(failed_check(name, "", "state that was restored", 0, 1,
                                           "it is not what the checkpoint holds"));
  }
  charge(now() - begin);
}

template class Auditor<float>;
template class Auditor<double>;

}  // namespace muonflow::optim
