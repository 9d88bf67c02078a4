// A training run from its configuration: data, model, optimizer, trainer and run folder put
// together, so that the command line, a study and a test start the same thing.
//
//   auto run = train::Run::start(config, "runs/mine");
//   const auto result = run.execute();
//
// The run folder holds manifest.json, config.toml (resolved), events.jsonl, metrics.csv,
// checkpoints/step-XXXXXX/ and, at the end, summary.json.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/core/config.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/routing.hpp"
#include "muonflow/train/config.hpp"
#include "muonflow/train/memory.hpp"
#include "muonflow/train/observer.hpp"

namespace muonflow::train {

// What a run will be, known before its first step.
struct Preview {
  TrainConfig config;
  optim::RoutingTable routing;
  MemoryEstimate memory;
  optim::RoutingTable::Messages messages;  // a step's compressed gradients
  std::int64_t parameters = 0;
  std::string data;                 // its name or path
  std::int64_t training_bytes = 0;  // of text
  std::int64_t validation_bytes = 0;
  std::int64_t tokens_per_step = 0;
  std::int64_t total_tokens = 0;

  // "muon 16 tensors (786,432 parameters) lr 0.02; adamw 36 tensors (...) lr 0.003"
  std::string routing_summary() const;
};

struct RunResult {
  Ending ending = Ending::finished;
  std::int64_t step = 0;
  std::int64_t steps = 0;
  std::int64_t skipped = 0;
  std::int64_t tokens = 0;  // of the whole run, earlier parts included
  double seconds = 0;       // the same, in steps
  double optimizer_seconds = 0;
  std::optional<double> loss;
  std::optional<double> validation_loss;
  std::optional<TroubleRecord> trouble;           // why the run stopped, for non_finite and audit
  std::optional<optim::AuditTotals> audit;        // of this execution, where the run is audited
  std::map<std::string, std::string> not_judged;  // reason -> tensor and quantity, see Auditor
  std::filesystem::path checkpoint;               // the newest one; empty: none
  std::string sample;                             // prompt and what follows, printable; empty: none
};

// What surrounds a run and is no part of its configuration.
struct RunContext {
  PlaceOf place_of = {};     // where a key stands, for messages
  std::string command = {};  // for the manifest
  std::filesystem::path data =
      {};  // folder of known data sets; the installed package where it lacks one
};

class Run {
 public:
  // All checks and no file written. Throws ConfigError, DataError, IoError.
  static Preview preview(const TrainConfig& config, const RunContext& context = {});

  // A new run in a folder that does not exist yet or is empty. Throws ConfigError for a folder that
  // holds something, IoError for one that cannot be written.
  static Run start(const TrainConfig& config, const std::filesystem::path& folder,
                   const RunContext& context = {});

  // What a resumed run is asked to do differently.
  struct Changes {
    std::optional<Config> config = {};          // a whole configuration, which must agree
    std::vector<std::string> assignments = {};  // "train.steps=2000"
  };
  // Goes on from the newest checkpoint of a run folder, or from the start where there is none yet.
  // Throws ConfigError for a change that would make it another run (see may_change_on_resume), or a
  // checkpoint of another model or rule; IoError for a damaged folder.
  static Run resume(const std::filesystem::path& folder, const Changes& changes,
                    const RunContext& context = {});
  static Run resume(const std::filesystem::path& folder) { return resume(folder, Changes{}); }

  ~Run();
  Run(Run&&) noexcept;
  Run& operator=(Run&&) noexcept;

  const Preview& preview() const;
  const std::filesystem::path& folder() const;
  std::int64_t step() const;  // steps done so far
  bool finished() const;      // nothing left to do
  bool same_kernels() const;  // false: resumed on other kernels, the bits may differ

  // Trains to the end, until `stop` says so (asked between two steps) or a step cannot go on;
  // saves, and writes the sample of a finished run. Observers hear everything after the run folder
  // did.
  RunResult execute(std::span<Observer* const> observers = {},
                    const std::function<bool()>& stop = {});

 private:
  struct Body;
  template <class T>
  struct Typed;
  explicit Run(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace muonflow::train
