#include "muonflow/report/events.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace muonflow::report {
namespace {

// JSON has no word for numbers that are not finite; writers use null or one of these texts.
std::optional<double> as_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (text == "nan" || text == "NaN") return kNaN;
  if (text == "inf" || text == "Infinity") return kInf;
  if (text == "-inf" || text == "-Infinity") return -kInf;
  return std::nullopt;
}

}  // namespace

const Json& member(const Json& object, std::string_view path) {
  static const Json null;
  const Json* at = &object;
  while (true) {
    if (!at->is_object()) return null;
    const auto dot = path.find('.');
    const auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end()) return null;
    at = &*found;
    if (dot == std::string_view::npos) return *at;
    path.remove_prefix(dot + 1);
  }
}

double number_of(const Json& object, std::initializer_list<std::string_view> paths) {
  for (const auto path : paths) {
    if (const auto number = as_number(member(object, path))) return *number;
  }
  return kNaN;
}

std::vector<double> numbers_of(const Json& object, std::string_view path) {
  std::vector<double> values;
  const auto& list = member(object, path);
  if (!list.is_array()) return values;
  for (const auto& value : list) {
    values.push_back(value.is_number() ? value.get<double>() : kNaN);
  }
  return values;
}

std::string text_of(const Json& object, std::initializer_list<std::string_view> paths) {
  for (const auto path : paths) {
    const auto& value = member(object, path);
    if (value.is_string()) return value.get<std::string>();
  }
  return {};
}

std::string plain_text(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    std::string out;
    for (const auto& item : value) {
      if (!out.empty()) out += ", ";
      out += plain_text(item);
    }
    return out;
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace muonflow::report
