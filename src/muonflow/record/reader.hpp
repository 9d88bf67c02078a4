// A run folder read back: what it was, what happened, how it ended. A run that is still going on,
// or was killed, reads like any other.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::record {

// Values of one field along another, in the order of the events.
struct Series {
  std::vector<double> x;
  std::vector<double> y;
};

// Cheap to copy: copies share what was read.
class RunReader {
 public:
  // Throws IoError: no such folder, no run folder (manifest.json is missing), a damaged file and
  // its line. A missing events.jsonl or summary.json is not an error.
  static RunReader open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  std::string name() const;  // of the folder
  const Json& manifest() const;
  const std::string& config_toml() const;  // empty: absent
  const Json* summary() const;             // null: the run has not ended
  const std::vector<Json>& events() const;
  // Those of a kind, in order; they live as long as a copy of this reader.
  std::vector<const Json*> events(std::string_view kind) const;
  const Json* last(std::string_view kind) const;  // null: none
  // Events of a kind that have both fields as numbers; others are left out.
  Series series(std::string_view kind, std::string_view x, std::string_view y) const;
  // What was not as it should be, one line each: a last line that is cut off.
  const std::vector<std::string>& remarks() const;

 private:
  struct Body;
  explicit RunReader(std::shared_ptr<const Body> body);
  std::shared_ptr<const Body> body_;
};

}  // namespace muonflow::record
