// The audit of a run: looks at sampled tensors of an optimizer's steps, now and then, at bounded
// cost.
//
//   optim::Auditor<float> auditor({.every = 50}, {.micro_batches = 4});
//   optimizer.observe(&auditor);
//   ... auditor.before_backward(optimizer); backward(); auditor.after_backward(optimizer); ...
//   auditor.at_step(step, skipped);
//   optimizer.step();
//   if (auto* failure = auditor.failure()) ...
//
// Audited are the first two steps and every `every`-th. The tensors of an audit are drawn without
// return, so that all have their turn, rules alternating, the largest and the smallest first;
// vectors and other small tensors under rules that work entry by entry cost next to nothing and
// are looked at besides. Until all have had a turn, an audit takes as many as half of what is left
// of AuditOptions::free_seconds pays for. With the first audit goes the routing table (routes.hpp).
// On a step that is not audited nothing is done but to count it, and but for the one after an
// audit: there weights and state of the audited tensors must still be what the audited step left.
// The audit changes nothing that training depends on.
//
// An auditor is told of steps by the optimizer (observe) or by the program around a step of its
// own making: before_step and after_step may be called by hand, and then see whatever happens
// between them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/core/rng.hpp"
#include "muonflow/optim/audit/audit.hpp"
#include "muonflow/optim/audit/options.hpp"
#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/schedule.hpp"

namespace muonflow::optim {

// What the run says of its own steps.
struct AuditedRun {
  std::int64_t micro_batches = 1;  // of a step; above 1, before_backward and after_backward are due
  // The learning rates' schedule and its length; off: whatever the step is given is right.
  std::optional<Schedule> schedule{};
  std::int64_t steps = 0;
};

// A loss whose derivative along the weights of some tensors is known without a backward pass: the
// sum of <W, dL/dW> over `tensors`, where they are all that something linear is linear in.
struct KnownSlope {
  std::vector<std::string> tensors{};
  double slope = 0;
  double size = 0;  // of the terms that it is the sum of, whose rounding it holds
  // Whether two micro-batches of one step that have the same bits here are the same data; off where
  // there are so few data that they may well be drawn twice.
  bool distinct = false;
};

struct AuditTotals {
  std::int64_t audits = 0;  // steps
  std::int64_t checks = 0;  // claims judged
  std::int64_t failed = 0;
  std::int64_t off = 0;      // claims that could not be judged
  std::int64_t put_off = 0;  // audits that waited for max_share
  double seconds = 0;        // spent in the auditor
  double run_seconds = 0;    // since its first step, the auditor's included

  double share() const { return run_seconds > 0 ? seconds / run_seconds : 0; }
  // "12 audits, 264 checks, 0 failed, 0.41% of the time"
  std::string to_text() const;
};

template <class T>
class Auditor final : public StepObserver<T> {
 public:
  explicit Auditor(const AuditOptions& options, const AuditedRun& run = {});

  // Around the backward pass of each micro-batch, where gradients add up in place, from zero.
  // `known`, asked for on audited steps only: of this micro-batch's own loss, of whose gradient a
  // step is the mean.
  void before_backward(Optimizer<T>& optimizer, const std::function<KnownSlope()>& known = {});
  void after_backward(Optimizer<T>& optimizer);
  // The same for loops that overwrite the gradients: this one's is in the buffers.
  void micro_batch(Optimizer<T>& optimizer);

  void before_step(Optimizer<T>& optimizer, double schedule) override;
  void after_step(Optimizer<T>& optimizer, const StepReport& report) override;

  // Before each step of a loop: its number from 0, by which the schedule goes, and how many of
  // those before it the loop left out, so that the optimizer never saw them.
  void at_step(std::int64_t run_step, std::int64_t skipped = 0);
  // Time that the audit cost outside of the auditor, such as a copy made for its sake.
  void charge(double seconds) { opened_ += seconds; }
  // Whether the next step will be audited; the answer stays until it has been taken.
  bool due(const Optimizer<T>& optimizer);
  // Of the last audited step, or of one that followed it and found it tampered with; empty before.
  const AuditReport& report() const { return report_; }
  std::int64_t audited_step() const { return audited_step_; }  // from 0; -1 before one
  // Whether report() is of the step that was just taken.
  bool fresh() const { return fresh_; }
  // Of the step that was just taken; null: it was not audited, or nothing failed.
  const AuditCheck* failure() const;
  const AuditTotals& totals() const { return totals_; }
  // Rows of claims that were not judged, each reason once: "tensor: reason".
  const std::map<std::string, std::string>& reasons() const { return reasons_; }
  // Weights or state are about to be set from outside: forget what they were.
  void forget();
  // The optimizer's state was set from outside, to this (Optimizer::state).
  void restored(const Optimizer<T>& optimizer, const TensorMap& state);

 private:
  struct Watched {
    std::size_t index = 0;  // of the parameter
    StepEvidence evidence;
    std::vector<T> sum;      // the gradient after the last backward pass
    std::uint64_t left = 0;  // digest of what the step left
  };

  void choose(const Optimizer<T>& optimizer);
  void draw(const Optimizer<T>& optimizer, const std::vector<std::size_t>& from,
            std::vector<std::size_t>& turn, std::size_t count);
  void draw_more(const Optimizer<T>& optimizer, const std::vector<std::size_t>& from);
  double work_of(const Route& row) const;
  double along(Optimizer<T>& optimizer) const;
  AuditCheck check_slope(Optimizer<T>& optimizer) const;
  void judge_one(Optimizer<T>& optimizer, Watched& watched, const StepReport& report,
                 AuditReport& all);
  AuditCheck check_passes(const Route& row) const;
  AuditCheck check_kept(const Route& row, const std::vector<T>& left, const Watched& watched,
                        double clip) const;
  void look_for_overflow(Optimizer<T>& optimizer, const StepReport& report);
  void judge(Optimizer<T>& optimizer, const StepReport& report);
  void note(AuditReport report);

  AuditOptions options_;
  AuditedRun run_;
  Rng rng_;
  std::vector<std::size_t> turn_, small_turn_;               // tensors that still have to be drawn
  std::vector<Watched> watched_;                             // of the step in progress
  std::vector<std::pair<std::size_t, std::uint64_t>> left_;  // of the audited step before
  std::optional<bool> due_;
  std::int64_t backward_passes_ = 0;  // since the last step
  bool told_of_passes_ = false;       // by before_backward
  std::optional<KnownSlope> known_;   // of the pass in progress
  std::vector<double> slopes_;        // of the passes before it
  double along_ = 0;                  // <W, gradient> before it
  std::int64_t step_ = 0;             // of the optimizer, before the step in progress
  std::int64_t audited_step_ = -1;
  std::optional<std::int64_t> run_step_;
  std::int64_t skipped_ = 0;
  bool heeded_ = true;        // the loop has moved on since report_ was made
  bool fresh_ = false;        // report_ is of the step that was just taken
  bool overwritten_ = false;  // micro-batches come by micro_batch
  double schedule_ = 1;
  double clip_ = 1;
  double longest_ = 0;    // audit so far, seconds
  double rate_ = 0;       // seconds that a unit of work_of took in the last audit
  bool all_met_ = false;  // every tensor has had a turn
  double begin_ = -1;     // of the first step, seconds
  double opened_ = 0;     // seconds that the audit in progress has taken so far
  AuditReport pending_;   // failures seen before the step in progress
  AuditReport report_;
  AuditTotals totals_;
  std::map<std::string, std::string> reasons_;
};

extern template class Auditor<float>;
extern template class Auditor<double>;

}  // namespace muonflow::optim
