// A JSON document as a file of its own: manifest.json, summary.json, state.json.
#pragma once

#include <filesystem>

#include "muonflow/core/fields.hpp"

namespace muonflow::record {

// Throws IoError (missing, or not a JSON object).
Json read_json_file(const std::filesystem::path& path);
// Indented, atomically; numbers that are not finite become null. Throws IoError.
void write_json_file(const std::filesystem::path& path, const Json& document);

}  // namespace muonflow::record
