// The folder that a run writes: manifest.json, config.toml, events.jsonl, metrics.csv,
// checkpoints/, summary.json.
//
// Every event is on its way to the disk before the call returns (one write a line, no buffer of our
// own), so that a run that is killed has told what it did; whole documents appear atomically. One
// process writes at a time: the folder is locked while a RunFolder lives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"

namespace muonflow::record {

class RunFolder {
 public:
  // A new run in a folder that does not exist yet or is empty; parents are made. Throws ConfigError
  // for a folder that holds something, IoError for one that cannot be written.
  static RunFolder create(const std::filesystem::path& path, const Json& manifest,
                          const std::string& config_toml);
  // Goes on with a run after `last_step`: events and metrics of later steps, and a line that was
  // cut off, are dropped, so that no step is told twice. -1 drops all. Throws IoError (no run
  // folder, damaged, in use by another process).
  static RunFolder open(const std::filesystem::path& path, std::int64_t last_step);

  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  // One line of events.jsonl; see events.hpp for the vocabulary. Throws DataError for an event
  // without kind or step, IoError where it cannot be written.
  void event(const Json& event);
  // One line "step,name,value" of metrics.csv; the value is empty where it is not finite.
  void metric(std::int64_t step, std::string_view name, double value);
  // Replaces config.toml (a resumed run may be longer) and summary.json.
  void config(const std::string& config_toml);
  void summary(const Json& summary);

 private:
  explicit RunFolder(std::filesystem::path path);
  void open_logs();
  void close() noexcept;

  std::filesystem::path path_;
  int lock_ = -1;
  int events_ = -1;
  int metrics_ = -1;
};

}  // namespace muonflow::record
