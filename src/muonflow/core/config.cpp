#include "muonflow/core/config.hpp"

// Header only: one file includes it, and the program then needs no library at run time.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow {
namespace {

using Places = std::map<std::string, std::string>;

std::string child_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

template <class Date>
std::string date_text(const Date& date) {
  std::ostringstream stream;
  stream << date;
  return stream.str();
}

// Turns toml++ nodes into JSON and notes the place of every key.
class Converter {
 public:
  Converter(std::string prefix, bool with_lines, Places& places)
      : prefix_(std::move(prefix)), with_lines_(with_lines), places_(places) {}

  Json convert(const toml::node& node, const std::string& path) {
    if (const auto* table = node.as_table()) return convert_table(*table, path);
    if (const auto* array = node.as_array()) {
      Json list = Json::array();
      for (const auto& item : *array) {
        const auto item_path = path + "[" + std::to_string(list.size()) + "]";
        note(item_path, item.source().begin);
        list.push_back(convert(item, item_path));
      }
      return list;
    }
    if (const auto* value = node.as_string()) return value->get();
    if (const auto* value = node.as_integer()) return value->get();
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_boolean()) return value->get();
    if (const auto* value = node.as_date()) return date_text(value->get());
    if (const auto* value = node.as_time()) return date_text(value->get());
    if (const auto* value = node.as_date_time()) return date_text(value->get());
    return nullptr;
  }

 private:
  Json convert_table(const toml::table& table, const std::string& path) {
    // toml++ sorts keys; the order of the file is told by where their values begin.
    std::vector<std::pair<const toml::key*, const toml::node*>> members;
    for (const auto& [key, value] : table) members.emplace_back(&key, &value);
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
      const auto x = a.second->source().begin;
      const auto y = b.second->source().begin;
      return std::pair(x.line, x.column) < std::pair(y.line, y.column);
    });
    Json object = Json::object();
    for (const auto& [key, value] : members) {
      const auto member_path = child_path(path, key->str());
      note(member_path, value->source().begin);
      object[std::string(key->str())] = convert(*value, member_path);
    }
    return object;
  }
  void note(const std::string& path, const toml::source_position& at) {
    places_[path] = with_lines_ ? prefix_ + ":" + std::to_string(at.line) : prefix_;
  }

  std::string prefix_;
  bool with_lines_;
  Places& places_;
};

// One step of a path: a key, or an index into a list.
struct Step {
  std::string key;
  std::optional<std::size_t> index;
};

[[noreturn]] void refuse_assignment(const std::string& assignment) {
  throw ConfigError({.place = "--set " + assignment,
                     .expected = "key.path=value",
                     .advice = "such as --set train.steps=100"});
}

std::vector<Step> parse_path(const std::string& path, const std::string& assignment) {
  std::vector<Step> steps;
  std::size_t at = 0;
  while (at <= path.size()) {
    const auto end = std::min(path.find('.', at), path.size());
    auto part = path.substr(at, end - at);
    const auto bracket = std::min(part.find('['), part.size());
    if (bracket == 0) refuse_assignment(assignment);
    steps.push_back({part.substr(0, bracket), std::nullopt});
    const char* c = part.data() + bracket;
    const char* const last = part.data() + part.size();
    while (c != last) {
      std::size_t index = 0;
      const auto [stop, error] = std::from_chars(c + 1, last, index);
      if (*c != '[' || error != std::errc{} || stop == last || *stop != ']') {
        refuse_assignment(assignment);
      }
      steps.push_back({"", index});
      c = stop + 1;
    }
    at = end + 1;
  }
  return steps;
}

// The node that a path names; tables on the way are made, elements of lists must exist.
Json& reach(Json& tree, const std::vector<Step>& steps, const std::string& place) {
  Json* node = &tree;
  for (const auto& step : steps) {
    if (step.index) {
      if (!node->is_array() || *step.index >= node->size()) {
        throw ConfigError({.place = place,
                           .expected = "a list with an element " + std::to_string(*step.index),
                           .found = node->is_array() ? "a list of " + std::to_string(node->size())
                                                     : std::string(node->type_name())});
      }
      node = &(*node)[*step.index];
    } else {
      if (node->is_null()) *node = Json::object();
      if (!node->is_object()) {
        throw ConfigError({.place = place,
                           .what = "'" + step.key + "' cannot be set in a value that is no table",
                           .found = std::string(node->type_name())});
      }
      node = &(*node)[step.key];
    }
  }
  return *node;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Config::Config() : tree_(std::make_shared<const Json>(Json::object())) {}

Config Config::from_file(const std::filesystem::path& path) {
  return from_text(read_text_file(path), path.string());
}

Config Config::from_text(const std::string& text, const std::string& name) {
  const auto result = toml::parse(text, name);
  if (!result) {
    const auto& error = result.error();
    const auto at = error.source().begin;
    throw ConfigError(
        {.place = name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column),
         .what = std::string(error.description())});
  }
  Config config;
  config.name_ = name;
  config.tree_ = std::make_shared<const Json>(
      Converter(name, true, config.places_).convert(result.table(), ""));
  return config;
}

void Config::set(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos) refuse_assignment(assignment);
  const auto path = trimmed(assignment.substr(0, equals));
  const auto text = trimmed(assignment.substr(equals + 1));
  const auto steps = parse_path(path, assignment);
  const auto place = "--set " + path;

  Places added{{path, place}};
  Json value = text;
  // More than one key would mean that the value holds a line break and goes on as another key.
  const auto parsed = toml::parse("value = " + text);
  if (parsed && parsed.table().size() == 1) {
    value = Converter(place, false, added).convert(*parsed.table().get("value"), path);
  }
  Json tree = *tree_;
  reach(tree, steps, place) = std::move(value);
  tree_ = std::make_shared<const Json>(std::move(tree));
  std::erase_if(places_, [&](const auto& entry) {
    const auto& known = entry.first;
    return known.starts_with(path) &&
           (known.size() == path.size() || known[path.size()] == '.' || known[path.size()] == '[');
  });
  for (auto& [key, where] : added) places_[key] = where;
}

std::string Config::place(const std::string& path) const {
  // The key itself, else the nearest table around it.
  for (std::string at = path;;) {
    const auto known = places_.find(at);
    if (known != places_.end()) {
      const bool given = known->second == "--set " + path;
      return given ? known->second : known->second + ": " + path;
    }
    const auto cut = at.find_last_of(".[");
    if (cut == std::string::npos) break;
    at.resize(cut);
  }
  return path.empty() ? name_ : name_ + ": " + path;
}

PlaceOf Config::place_of() const {
  return [copy = *this](const std::string& path) { return copy.place(path); };
}

}  // namespace muonflow
