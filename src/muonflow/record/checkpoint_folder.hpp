// Checkpoints on disk: step-XXXXXX folders that appear whole or not at all, and `latest`, a link to
// the newest. It knows nothing of models: named files of tensors and a JSON state.
//
// A checkpoint is written under a temporary name, its files and folders synced, then renamed; only
// then `latest` moves and old ones go. Whenever the machine stops, the newest complete checkpoint
// is found and read again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/tensor.hpp"

namespace muonflow::record {

// File name without ".safetensors" -> its tensors, borrowed.
using CheckpointFiles = std::map<std::string, const TensorMap*>;

// Writes folder/step-XXXXXX (six digits or more) with one safetensors file a name and state.json,
// which holds `state` under "state". A checkpoint of that step is replaced. Of all complete ones
// the `keep` newest stay, 0: all. Returns its path. Throws IoError; what was there before is
// untouched then.
std::filesystem::path write_checkpoint_folder(const std::filesystem::path& folder,
                                              std::int64_t step, const CheckpointFiles& files,
                                              const Json& state, std::int64_t keep);

// The complete checkpoints of a folder, oldest step first; leftovers are skipped. A folder that
// does not exist has none.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& folder);

// Read back. Throws IoError naming what is missing or damaged.
Json read_checkpoint_state(const std::filesystem::path& checkpoint);
std::int64_t read_checkpoint_step(const std::filesystem::path& checkpoint);
TensorMap read_checkpoint_file(const std::filesystem::path& checkpoint, const std::string& name);

}  // namespace muonflow::record
