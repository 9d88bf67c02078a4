// Where a benchmark's results go: tables for people, one JSON document, a folder with both the
// document and its page.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

struct BenchOutput {
  std::optional<std::string> json;  // a file; empty: stdout, and the tables go to stderr
  std::string folder;               // gets bench.json and report.html; empty: none

  std::FILE* text() const { return json && json->empty() ? stderr : stdout; }
  // Refuses what cannot be written before the work begins, and makes the folder. Throws IoError.
  void prepare() const;
  // Throws IoError.
  void write(const Json& document) const;
};

// What every document begins with: format, kind, version, time, machine, threads, libraries.
Json describe_bench(const std::string& kind);

}  // namespace muonflow::cli
