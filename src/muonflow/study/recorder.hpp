// A study in a run folder: what was declared is written before the study runs, what was measured
// while it runs and at its end.
//
// events.jsonl holds, beside the kinds of record/events.hpp: `bound` (name, quantity, low, high,
// range, judged, broken, why), `result` (raw values of one seed or size), `check` (a bound with
// value, interval, samples, verdict), `figure` (name, caption, x, y, log_x, log_y, curves of label,
// drawn, x, y, low, high) and `remark` (text).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "muonflow/record/run_folder.hpp"
#include "muonflow/study/study.hpp"

namespace muonflow::study {

class Recorder {
 public:
  // Creates the folder and declares the bounds. `manifest` is that of record/manifest.hpp, to which
  // the study's own facts are added. Throws as record::RunFolder::create.
  Recorder(const std::filesystem::path& path, const StudyEntry& study, const Json& options,
           Json manifest);

  void result(const Json& values);
  // Writes checks, figures, remarks, the end and summary.json.
  void finish(const Judgement& judgement, double seconds);

 private:
  record::RunFolder folder_;
  std::int64_t step_ = 0;
};

// "study" and the options as one table, which `muonflow study FILE` reads back.
Json study_config(const StudyEntry& study, const Json& options);

}  // namespace muonflow::study
