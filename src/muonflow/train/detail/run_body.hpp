// What a Run holds: private to run.cpp and run_body.cpp.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "muonflow/data/text.hpp"
#include "muonflow/record/run_folder.hpp"
#include "muonflow/train/checkpoint.hpp"
#include "muonflow/train/run.hpp"

namespace muonflow::train {

// What does not depend on the scalar type.
struct Run::Body {
  TrainConfig config;
  data::Corpus corpus;
  Preview preview;
  std::filesystem::path path;               // of the run folder; empty: a preview
  std::optional<record::RunFolder> folder;  // open while the run may write
  std::filesystem::path checkpoint;         // the newest one; empty: none
  bool same_kernels = true;
  bool summarized = false;  // summary.json tells of this many steps

  virtual ~Body() = default;
  virtual const LoopState& state() const = 0;
  virtual void audited(RunResult& result) const = 0;  // fills its audit
  virtual const std::optional<TroubleRecord>& trouble() const = 0;
  virtual void restore(const Checkpoint& checkpoint, const std::string& place) = 0;
  virtual Ending train(std::span<Observer* const> observers, const std::function<bool()>& stop) = 0;
  virtual std::string sample() = 0;

  void load(const RunContext& context);
  static std::unique_ptr<Body> make(const TrainConfig& config, const RunContext& context);
  RunResult result(Ending ending) const;
  void open_folder();
  void write_routing();
  void write_sample(RunResult& result);
  void write_summary(const RunResult& result);
};

}  // namespace muonflow::train
