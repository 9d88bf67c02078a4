#include "muonflow/record/json_file.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"

namespace muonflow::record {

Json read_json_file(const std::filesystem::path& path) {
  Json document = Json::parse(read_text_file(path), nullptr, false);
  if (!document.is_object()) {
    throw IoError({.place = path.string(),
                   .expected = "a JSON object",
                   .found = document.is_discarded() ? "text that is not JSON"
                                                    : std::string(document.type_name())});
  }
  return document;
}

void write_json_file(const std::filesystem::path& path, const Json& document) {
  // A default Json is null; the file must read back as an object.
  const Json& object = document.is_null() ? Json::object() : document;
  write_file(path, object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace muonflow::record
