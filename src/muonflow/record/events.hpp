// The vocabulary of events.jsonl and the one place that knows its lines.
//
// One JSON object a line. Every event has `kind` (a text) and `step` (a whole number, steps done so
// far); numbers are finite or null, absent means not measured. Kinds and their further fields:
//   step        one optimizer step: tokens (so far), seconds (in steps, so far), loss, lr (schedule
//               factor applied), grad_norm (before clipping), tokens_per_second, optimizer_share;
//               with qk_clip max_logit (of any head) and clipped_heads; with error feedback
//               message_bytes
//   validation  loss (mean over the fixed batches), tokens, seconds
//   routing     which rule every tensor got: rows of tensor, shape, role, rule, lr, reason
//   trouble     a value that is not finite: what, tensor, in_a_row, stops
//   warning     text, and tensor where it is about one
//   checkpoint  path, relative to the run folder
//   resume      the run went on after `step`; a reader sees a new process here
//   sample      text that the model wrote at the end, prompt included
//   end         ending: finished, interrupted, non-finite
//   flow        one recorded time: time, objective, kinetic, energy, dissipated, ledger_error,
//               momentum_op_norm, particle_distance
//   bound, result, check, figure, remark
//               of a study: what was declared, raw results, what was measured, pictures as data;
//               see study/recorder.hpp
// Readers skip kinds and fields they do not know.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::record {

// One line without its line break. Throws DataError where `kind` or `step` is missing.
std::string event_line(const Json& event);

// The events of a file in their order. A last line that is cut off (the process or the machine
// stopped while writing) is left out and named in `remark`. Throws IoError for a missing file and
// for a bad line before the last, naming it.
std::vector<Json> read_events(const std::filesystem::path& path, std::string& remark);

}  // namespace muonflow::record
