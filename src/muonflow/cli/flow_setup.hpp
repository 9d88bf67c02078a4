// What `muonflow flow` does before its first step: a configuration and the files it names, and for
// a resumed run the proof that it is still the same system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/core/config.hpp"
#include "muonflow/flow/options.hpp"
#include "muonflow/flow/problem.hpp"
#include "muonflow/flow/simulate.hpp"

namespace muonflow::cli {

// Options with every default filled in, and the tensors of the files that they name.
struct FlowSetup {
  flow::FlowOptions options;
  flow::ProblemData data;
  PlaceOf place;

  std::string to_toml() const;
};

// Reads a configuration and its files. A relative file name is looked up from the working folder,
// then beside the configuration `from`. Throws ConfigError, IoError, ShapeError.
FlowSetup read_flow(const Config& config, const std::filesystem::path& from);

// A run that was interrupted: its own configuration with the changes that are asked for.
struct FlowResume {
  FlowSetup setup;  // its initial state is the checkpoint's, where there is one
  std::optional<flow::Cursor> cursor;
  double time = 0;
  double seconds = 0;  // spent before
  std::uint64_t data_digest = 0;
  std::filesystem::path checkpoint;
};

// `config` is the configuration file of the command line, "" where only the folder was given. Only
// run.name, run.threads, run.checkpoint_every and a later integrator.end_time may differ from the
// run's own. Throws ConfigError naming the key that makes it another system.
FlowResume resume_flow(const std::filesystem::path& folder, const std::string& config,
                       const std::vector<std::string>& assignments);

// state.json of a checkpoint: everything beside the tensors.
Json checkpoint_state(const flow::Cursor& cursor, double time, double seconds,
                      std::uint64_t data_digest);

}  // namespace muonflow::cli
