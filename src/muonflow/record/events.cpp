#include "muonflow/record/events.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"

namespace muonflow::record {
namespace {

bool is_event(const Json& event) {
  return event.is_object() && event.contains("kind") && event["kind"].is_string() &&
         event.contains("step") && event["step"].is_number_integer();
}

std::optional<Json> parse_line(std::string_view line) {
  Json event = Json::parse(line, nullptr, false);
  if (event.is_discarded() || !is_event(event)) return std::nullopt;
  return event;
}

}  // namespace

std::string event_line(const Json& event) {
  if (!is_event(event)) {
    throw DataError({.what = "event",
                     .expected = "an object with a kind (a text) and a step (a whole number)"});
  }
  // JSON has no infinity and no NaN: they are written as null.
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Json> read_events(const std::filesystem::path& path, std::string& remark) {
  const auto text = read_text_file(path);
  std::vector<Json> events;
  std::size_t begin = 0;
  for (std::size_t number = 1; begin < text.size(); ++number) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    auto event = parse_line(line);
    if (event) {
      events.push_back(std::move(*event));
    } else if (begin >= text.size()) {
      remark = path.string() + ":" + std::to_string(number) + ": the last line is cut off";
    } else {
      throw IoError({.place = path.string() + ":" + std::to_string(number),
                     .expected = "a JSON object with kind and step"});
    }
  }
  return events;
}

}  // namespace muonflow::record
