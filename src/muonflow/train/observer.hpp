// Who watches a training run: the trainer tells, observers record, save and show. The trainer
// itself writes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muonflow::optim {
struct AuditReport;
struct AuditTotals;
}  // namespace muonflow::optim

namespace muonflow::train {

struct Checkpoint;

// One optimizer step.
struct StepRecord {
  std::int64_t step = 0;          // steps done, this one included
  std::int64_t total = 0;         // steps of the run
  double loss = 0;                // mean over the tokens of the step, before it
  double gradient_norm = 0;       // over all gradients together, before clipping
  double schedule = 1;            // factor of every learning rate
  std::int64_t tokens = 0;        // of this step
  double seconds = 0;             // of this step, evaluation and saving not included
  double optimizer_seconds = 0;   // its part after the gradients: norm, clipping, rules
  std::int64_t total_tokens = 0;  // of the run so far
  double total_seconds = 0;       // of the run so far, in steps
  bool skipped = false;           // see the TroubleRecord before
  // With qk_clip: the largest attention logit of any head in this step's batches, and how many
  // heads were scaled down after it. Off without it, and in a step whose loss is not finite.
  std::optional<double> max_logit{};
  std::int64_t clipped_heads = 0;
  std::int64_t message_bytes = 0;  // of gradients that error feedback compresses; 0: none

  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  }
  double optimizer_share() const { return seconds > 0 ? optimizer_seconds / seconds : 0.0; }
};

struct EvaluationRecord {
  std::int64_t step = 0;
  double loss = 0;                // mean over the fixed validation batches
  std::int64_t tokens = 0;        // evaluated
  double seconds = 0;             // the evaluation took
  std::int64_t total_tokens = 0;  // trained on so far
  double total_seconds = 0;       // spent in steps so far
};

// A loss, a gradient or new weights that are not finite; or a step that is not what its rule
// claims.
struct TroubleRecord {
  std::int64_t step = 0;           // the step it happened in, from 1
  std::string what;                // "loss", "gradient", "update" or "audit"
  std::string how = "not finite";  // or "not converged"
  std::string tensor;              // empty for the loss
  std::string text{};              // of an audit: quantity, expected, found
  double loss = 0;                 // of the step
  std::int64_t in_a_row = 0;       // skipped steps in a row, this one included
  bool stops = false;              // the run ends here; otherwise the step was skipped
};

// An audited step. What it points to lives until the call returns.
struct AuditRecord {
  std::int64_t step = 0;                       // from 1
  const optim::AuditReport* report = nullptr;  // of this step
  const optim::AuditTotals* totals = nullptr;  // of the run so far
};

enum class Ending {
  finished,
  interrupted,  // asked to stop
  non_finite,   // stopped by a TroubleRecord
  audit,        // stopped by one of an audit
};
constexpr std::string_view to_string(Ending ending) {
  switch (ending) {
    case Ending::finished:
      return "finished";
    case Ending::interrupted:
      return "interrupted";
    case Ending::non_finite:
      return "non-finite";
    case Ending::audit:
      return "audit";
  }
  return "unknown";
}

// What can be saved between two steps.
class Saveable {
 public:
  virtual ~Saveable() = default;
  virtual std::int64_t step() const = 0;
  // Whether the state is that of whole, finite steps; a state that is not must not be saved.
  virtual bool intact() const = 0;
  virtual Checkpoint checkpoint() const = 0;
};

// All calls come from the thread that runs the trainer, in the order of what happens. An observer
// may throw (a disk that is full); the run then ends with that error.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_step(const StepRecord&) {}
  virtual void on_evaluation(const EvaluationRecord&) {}
  virtual void on_trouble(const TroubleRecord&) {}
  virtual void on_audit(const AuditRecord&) {}
  // A rule's remark about a tensor, once each.
  virtual void on_warning(std::int64_t /*step*/, std::string_view /*tensor*/,
                          std::string_view /*text*/) {}
  // After everything else of a step.
  virtual void on_boundary(const Saveable&) {}
  virtual void on_end(Ending, const Saveable&) {}
};

}  // namespace muonflow::train
