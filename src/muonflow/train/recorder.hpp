// The observer that writes a run folder's events.jsonl and metrics.csv (see record/events.hpp).
#pragma once

#include <cstdint>

#include "muonflow/record/run_folder.hpp"
#include "muonflow/train/observer.hpp"

namespace muonflow::train {

class Recorder final : public Observer {
 public:
  // Borrows the folder. Steps are written every `log_every` steps and at the last one; everything
  // else always.
  Recorder(record::RunFolder& folder, std::int64_t log_every)
      : folder_(folder), log_every_(log_every) {}

  void on_step(const StepRecord& record) override;
  void on_evaluation(const EvaluationRecord& record) override;
  void on_trouble(const TroubleRecord& record) override;
  void on_audit(const AuditRecord& record) override;
  void on_warning(std::int64_t step, std::string_view tensor, std::string_view text) override;
  void on_end(Ending ending, const Saveable& run) override;

 private:
  record::RunFolder& folder_;
  std::int64_t log_every_;
};

}  // namespace muonflow::train
