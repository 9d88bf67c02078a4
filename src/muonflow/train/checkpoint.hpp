// The whole state of a training run between two steps, and its form on disk: resumed from it, a run
// goes on with the same bits.
//
// A checkpoint folder holds weights.safetensors (public parameter names, so that other programs
// load it), optimizer.safetensors (see optim/optimizer.hpp) and state.json. It appears whole or not
// at all (record/checkpoint_folder.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "muonflow/core/tensor.hpp"
#include "muonflow/data/batches.hpp"
#include "muonflow/linalg/plan.hpp"
#include "muonflow/optim/schedule.hpp"

namespace muonflow::train {

inline constexpr std::int64_t kCheckpointFormat = 1;

// Everything of the loop that is not a tensor.
struct LoopState {
  std::int64_t step = 0;                  // steps done, skipped ones included
  std::int64_t skipped = 0;               // of them
  std::int64_t in_a_row = 0;              // skipped just before this moment
  std::int64_t tokens = 0;                // trained on
  double seconds = 0;                     // spent in steps
  double optimizer_seconds = 0;           // of them in the optimizer
  std::optional<double> loss;             // of the last step
  std::optional<double> validation_loss;  // of the last evaluation
  data::Cursor data;                      // where the next batch comes from
};

struct Checkpoint {
  TensorMap weights;
  TensorMap optimizer;
  LoopState loop;
  optim::Schedule schedule;
  std::int64_t steps = 0;  // of the whole run, which the schedule is over
  std::string config;      // the run's resolved configuration, TOML; may be empty
  std::string kernels;     // what computed it: other kernels may round differently
  linalg::PlanTable plan;  // how its kernels went to work; a resumed run does the same
};

// What computes in this process: the processor's name and the kernels of its libraries.
std::string kernel_plan();

// Writes folder/step-XXXXXX and points `latest` at it; the `keep` newest stay (0: all). Returns the
// new folder. Throws IoError; what was there before is untouched then.
std::filesystem::path write_checkpoint(const std::filesystem::path& folder,
                                       const Checkpoint& checkpoint, std::int64_t keep);

// Reads one checkpoint folder. Throws IoError (missing, damaged, of another format).
Checkpoint read_checkpoint(const std::filesystem::path& folder);

}  // namespace muonflow::train
