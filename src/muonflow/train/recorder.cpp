#include "muonflow/train/recorder.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/optim/audit/auditor.hpp"

namespace muonflow::train {

void Recorder::on_step(const StepRecord& record) {
  if (record.step % log_every_ != 0 && record.step != record.total) return;
  Json event{{"kind", "step"},
             {"step", record.step},
             {"tokens", record.total_tokens},
             {"seconds", record.total_seconds},
             {"loss", record.loss},
             {"lr", record.schedule},
             {"grad_norm", record.gradient_norm},
             {"tokens_per_second", record.tokens_per_second()},
             {"optimizer_share", record.optimizer_share()}};
  if (record.max_logit) {
    event["max_logit"] = *record.max_logit;
    event["clipped_heads"] = record.clipped_heads;
  }
  if (record.message_bytes > 0) event["message_bytes"] = record.message_bytes;
  folder_.event(event);
  folder_.metric(record.step, "train/loss", record.loss);
  folder_.metric(record.step, "train/grad_norm", record.gradient_norm);
  folder_.metric(record.step, "lr", record.schedule);
  folder_.metric(record.step, "tokens_per_second", record.tokens_per_second());
  folder_.metric(record.step, "optimizer_share", record.optimizer_share());
  if (record.message_bytes > 0) {
    folder_.metric(record.step, "message_bytes", static_cast<double>(record.message_bytes));
  }
  if (!record.max_logit) return;
  folder_.metric(record.step, "attention/max_logit", *record.max_logit);
  folder_.metric(record.step, "attention/clipped_heads", static_cast<double>(record.clipped_heads));
}

void Recorder::on_evaluation(const EvaluationRecord& record) {
  folder_.event({{"kind", "validation"},
                 {"step", record.step},
                 {"tokens", record.total_tokens},
                 {"seconds", record.total_seconds},
                 {"loss", record.loss}});
  folder_.metric(record.step, "validation/loss", record.loss);
}

void Recorder::on_trouble(const TroubleRecord& record) {
  folder_.event({{"kind", "trouble"},
                 {"step", record.step},
                 {"what", record.what},
                 {"how", record.how},
                 {"tensor", record.tensor},
                 {"text", record.text},
                 {"in_a_row", record.in_a_row},
                 {"stops", record.stops}});
}

void Recorder::on_audit(const AuditRecord& record) {
  folder_.event({{"kind", "audit"},
                 {"step", record.step},
                 {"checks", record.report->judged()},
                 {"failed", record.report->failed()},
                 {"seconds", record.totals->seconds},
                 {"share", record.totals->share()},
                 {"rows", record.report->to_json()}});
}

void Recorder::on_warning(std::int64_t step, std::string_view tensor, std::string_view text) {
  folder_.event({{"kind", "warning"}, {"step", step}, {"tensor", tensor}, {"text", text}});
}

void Recorder::on_end(Ending ending, const Saveable& run) {
  folder_.event({{"kind", "end"}, {"step", run.step()}, {"ending", to_string(ending)}});
}

}  // namespace muonflow::train
