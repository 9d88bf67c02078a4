#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (code < 0x20 || code == 0x7f) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += "\\u00";
      out += kHex[code >> 4];
      out += kHex[code & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string key_text(const std::string& key) {
  const bool bare =
      !key.empty() && key.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  return bare ? key : quoted(key);
}

std::string inline_value(const Json& value, const std::string& path);

std::string number_text(const Json& value, const std::string& path) {
  if (value.is_number_float()) {
    const auto x = value.get<double>();
    auto text = shortest(x);
    // TOML tells a real from a whole number by its spelling.
    if (std::isfinite(x) && text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
  }
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) {
    throw ConfigError(
        {.place = path, .expected = "a whole number of at most 63 bits", .found = value.dump()});
  }
  return value.dump();
}

std::string inline_value(const Json& value, const std::string& path) {
  if (value.is_string()) return quoted(value.get<std::string>());
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return number_text(value, path);
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const auto& item : value) parts.push_back(inline_value(item, path));
    return "[" + join(parts) + "]";
  }
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (!item.is_null()) parts.push_back(key_text(key) + " = " + inline_value(item, path));
    }
    return parts.empty() ? "{}" : "{ " + join(parts) + " }";
  }
  throw ConfigError({.place = path, .what = "TOML has no null inside a list"});
}

bool is_list_of_tables(const Json& value) {
  if (!value.is_array() || value.empty()) return false;
  for (const auto& item : value) {
    if (!item.is_object()) return false;
  }
  return true;
}

// Scalars first: after the first [table] line a bare key would belong to that table.
void write_table(const Json& table, const std::string& path, std::string& out) {
  const auto below = [&path](const std::string& key) {
    return path.empty() ? key_text(key) : path + "." + key_text(key);
  };
  for (const auto& [key, value] : table.items()) {
    if (value.is_null() || value.is_object() || is_list_of_tables(value)) continue;
    out += key_text(key) + " = " + inline_value(value, below(key)) + "\n";
  }
  const auto heading = [&out](const std::string& line) {
    if (!out.empty()) out += "\n";
    out += line + "\n";
  };
  for (const auto& [key, value] : table.items()) {
    if (value.is_object()) {
      heading("[" + below(key) + "]");
      write_table(value, below(key), out);
    } else if (is_list_of_tables(value)) {
      for (const auto& item : value) {
        heading("[[" + below(key) + "]]");
        write_table(item, below(key), out);
      }
    }
  }
}

}  // namespace

std::string to_toml(const Json& tree) {
  if (!tree.is_object()) {
    throw ConfigError({.expected = "a table of options", .found = std::string(tree.type_name())});
  }
  std::string out;
  write_table(tree, "", out);
  return out;
}

}  // namespace muonflow
