#include "muonflow/data/datasets.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/data/datasets/austen.hpp"
#include "muonflow/data/sha256.hpp"

namespace muonflow::data {
namespace {

namespace fs = std::filesystem;

fs::path located(const DatasetEntry& entry, const fs::path& from) {
  if (auto file = find(entry, from)) return *file;
  std::error_code ignored;
  if (!from.empty() && !fs::exists(from, ignored)) {
    throw IoError({.place = from.string(), .what = "no such file or folder"});
  }
  throw IoError({.place = from.empty() ? "data set " + entry.name : from.string(),
                 .what = from.empty() ? "is not installed" : "no data set " + entry.name + " there",
                 .advice = "obtain it with: " + entry.obtain});
}

void verify(const DatasetEntry& entry, const Corpus& text, const fs::path& file) {
  auto all = text.training;
  all.insert(all.end(), text.validation.begin(), text.validation.end());
  const auto digest = sha256(all);
  if (digest != entry.digest) {
    throw DataError({.place = file.string(),
                     .what = "not the text of data set " + entry.name,
                     .expected = "SHA-256 " + entry.digest,
                     .found = digest});
  }
}

}  // namespace

const Registry<DatasetEntry>& datasets() {
  static const auto registry = [] {
    Registry<DatasetEntry> all("data set");
    all.add(austen());
    return all;
  }();
  return registry;
}

std::optional<fs::path> find(const DatasetEntry& entry, const fs::path& from) {
  std::error_code ignored;
  if (from.empty()) {
    return fs::is_regular_file(entry.installed, ignored) ? std::optional(entry.installed)
                                                         : std::nullopt;
  }
  if (fs::is_regular_file(from, ignored)) return from;
  for (const auto& layout : entry.layouts) {
    if (fs::is_regular_file(from / layout, ignored)) return from / layout;
  }
  return std::nullopt;
}

Corpus load(const DatasetEntry& entry, const fs::path& from) {
  const auto file = located(entry, from);
  auto text = entry.decode(file);
  verify(entry, text, file);
  return text;
}

Corpus load(const std::string& name, const fs::path& from) {
  return load(datasets().at(name), from);
}

fs::path store(const DatasetEntry& entry, const fs::path& from, const fs::path& folder) {
  const auto file = located(entry, from);
  verify(entry, entry.decode(file), file);
  const auto target = folder / entry.name / entry.installed.filename();
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) {
    throw IoError(
        {.place = target.parent_path().string(), .what = "cannot be written: " + error.message()});
  }
  if (!fs::equivalent(file, target, error)) write_file(target, read_file(file));
  return target;
}

}  // namespace muonflow::data
