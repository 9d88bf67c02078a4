// Where data sets wait for runs: $XDG_CACHE_HOME/muonflow, else ~/.cache/muonflow.
#pragma once

#include <cstdlib>
#include <filesystem>

#include "muonflow/data/datasets.hpp"

namespace muonflow::cli {

// Empty where neither variable names an absolute folder: a run with a text of its own needs none.
inline std::filesystem::path data_cache() {
  const auto folder = [](const char* variable) -> std::filesystem::path {
    const char* const value = std::getenv(variable);
    const std::filesystem::path path = value == nullptr ? "" : value;
    return path.is_absolute() ? path : "";
  };
  if (const auto cache = folder("XDG_CACHE_HOME"); !cache.empty()) return cache / "muonflow";
  if (const auto home = folder("HOME"); !home.empty()) return home / ".cache" / "muonflow";
  return {};
}

// What data::load should be given for a data set whose place nobody named: the cache where it holds
// it, else nothing, which means the installed package.
inline std::filesystem::path cached_dataset(const data::DatasetEntry& entry,
                                            const std::filesystem::path& cache) {
  return !cache.empty() && data::find(entry, cache) ? cache : std::filesystem::path();
}

}  // namespace muonflow::cli
