// Data sets by name: what each is, what it may be used for, how it is obtained, and that what was
// obtained is it. Nothing is downloaded here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/core/registry.hpp"
#include "muonflow/data/text.hpp"

namespace muonflow::data {

struct DatasetEntry {
  std::string name;
  std::string summary;
  std::string licence;
  std::string obtain;      // the shell command that obtains it, whole; DIR is the reader's choice
  std::string digest;      // SHA-256 of the training text followed by the validation text
  std::int64_t bytes = 0;  // of both texts together
  std::filesystem::path installed;             // the data file of the installed package
  std::vector<std::filesystem::path> layouts;  // where the data file may lie in a given folder
  Corpus (*decode)(const std::filesystem::path& file) = nullptr;
};

const Registry<DatasetEntry>& datasets();

// The data file: `from` itself, the first of the entry's layouts in the folder `from`, or, where
// `from` is empty, that of the installed package. Nothing where there is none.
std::optional<std::filesystem::path> find(const DatasetEntry& entry,
                                          const std::filesystem::path& from);

// Reads and verifies it. Throws ConfigError (unknown name), IoError (absent, with the command that
// obtains it; damaged), DataError (another text than the one the name stands for).
Corpus load(const DatasetEntry& entry, const std::filesystem::path& from);
Corpus load(const std::string& name, const std::filesystem::path& from = {});

// Copies the verified data file into folder/NAME/, where load(name, folder) finds it.
// Returns the copy's path.
std::filesystem::path store(const DatasetEntry& entry, const std::filesystem::path& from,
                            const std::filesystem::path& folder);

}  // namespace muonflow::data
