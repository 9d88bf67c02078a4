// What a reader needs to repeat the runs and to judge their times.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "muonflow/report/events.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

using Flat = std::vector<std::pair<std::string, std::string>>;  // dotted key, value as text

// Leaves of a JSON tree; a list is one value.
void flatten(const Json& value, const std::string& key, Flat& out) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      flatten(member, key.empty() ? name : key + "." + name, out);
    }
  } else if (!value.is_null()) {
    auto text = plain_text(value);
    if (!text.empty()) out.emplace_back(key, std::move(text));
  }
}

const std::string* find(const Flat& flat, const std::string& key) {
  const auto at =
      std::find_if(flat.begin(), flat.end(), [&](const auto& e) { return e.first == key; });
  return at == flat.end() ? nullptr : &at->second;
}

// All keys of all, in order of first appearance.
std::vector<std::string> keys_of(const std::vector<Flat>& flats) {
  std::vector<std::string> keys;
  std::set<std::string> seen;
  for (const auto& flat : flats) {
    for (const auto& [key, value] : flat) {
      if (seen.insert(key).second) keys.push_back(key);
    }
  }
  return keys;
}

bool differs(const std::vector<Flat>& flats, const std::string& key) {
  const auto* first = find(flats.front(), key);
  return std::any_of(flats.begin() + 1, flats.end(), [&](const Flat& flat) {
    const auto* value = find(flat, key);
    return (value == nullptr) != (first == nullptr) || (value != nullptr && *value != *first);
  });
}

std::string value_html(const Flat& flat, const std::string& key) {
  const auto* value = find(flat, key);
  return value == nullptr ? "<span class=\"absent\">–</span>" : escape(*value);
}

// Keys down, runs across.
std::string compare_table(const std::string& caption, std::span<const NamedRun> runs,
                          const std::vector<Flat>& flats, const std::vector<std::string>& keys) {
  Table table;
  table.caption = caption;
  table.head = {{"key"}};
  for (const auto& run : runs) table.head.push_back({escape(run.name)});
  for (const auto& key : keys) {
    std::vector<Cell> row{{"<code>" + escape(key) + "</code>"}};
    for (const auto& flat : flats) row.push_back({value_html(flat, key), "words"});
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

// The manifest's facts, the large and the repeated left out.
Flat facts(const Json& manifest) {
  Flat out;
  for (const auto& [name, value] : manifest.items()) {
    if (name == "config" || name == "plan" || name == "references" || name == "format" ||
        name == "study")
      continue;
    if (name == "machine" && value.is_object() && value.contains("memory_bytes")) {
      Json machine = value;
      const double bytes = number_of(machine, {"memory_bytes"});
      machine.erase("memory_bytes");
      machine["memory"] = fmt::format("{:.1f} GiB", bytes / (1024.0 * 1024.0 * 1024.0));
      flatten(machine, name, out);
    } else {
      flatten(value, name, out);
    }
  }
  return out;
}

std::string machines_html(std::span<const NamedRun> runs) {
  std::vector<Flat> flats;
  for (const auto& run : runs) flats.push_back(facts(run.reader.manifest()));
  std::vector<std::string> shared, own;
  for (auto& key : keys_of(flats)) (differs(flats, key) ? own : shared).push_back(key);
  std::string out = "<h3>Machine and commands</h3>\n";
  if (!shared.empty()) {
    Table table;
    table.caption = runs.size() > 1 ? "The same for all runs." : "";
    table.head = {{"fact"}, {"value"}};
    for (const auto& key : shared) {
      table.rows.push_back(
          {{"<code>" + escape(key) + "</code>"}, {value_html(flats.front(), key), "words"}});
    }
    out += table_html(table);
  }
  if (!own.empty()) out += compare_table("Different between runs.", runs, flats, own);
  return out;
}

std::string configurations_html(std::span<const NamedRun> runs) {
  std::string out;
  for (const auto& run : runs) {
    auto text = run.reader.config_toml();
    const auto& config = member(run.reader.manifest(), "config");
    if (text.empty() && !config.is_null()) {
      text = config.dump(2, ' ', false, Json::error_handler_t::replace);
    }
    if (text.empty()) continue;
    out += details_html(escape(run.name), "<pre tabindex=\"0\">" + escape(text) + "</pre>\n");
  }
  return out.empty() ? "" : "<h3>Configurations, every key with its value</h3>\n" + out;
}

// Runs that share a plan share its entry.
std::string plans_html(std::span<const NamedRun> runs) {
  std::vector<std::pair<std::string, std::vector<std::string>>> plans;  // text, names
  for (const auto& run : runs) {
    const auto& plan = member(run.reader.manifest(), "plan");
    if (plan.is_null()) continue;
    const auto text = plan.is_string() ? plan.get<std::string>()
                                       : plan.dump(2, ' ', false, Json::error_handler_t::replace);
    auto at = std::find_if(plans.begin(), plans.end(),
                           [&](const auto& known) { return known.first == text; });
    if (at == plans.end()) at = plans.insert(at, {text, {}});
    at->second.push_back(escape(run.name));
  }
  std::string out;
  for (const auto& [text, names] : plans) {
    out += details_html(prose_list(names), "<pre tabindex=\"0\">" + escape(text) + "</pre>\n");
  }
  return out.empty() ? "" : "<h3>Kernel plan</h3>\n" + out;
}

// A reference is a text, or an object with a name and its source.
std::string reference_text(const Json& reference) {
  if (!reference.is_object()) return plain_text(reference);
  const auto name = text_of(reference, {"name", "title"});
  const auto source = text_of(reference, {"cite", "reference", "source", "arxiv"});
  return name.empty() || source.empty() ? name + source : name + ": " + source;
}

std::string references_html(std::span<const NamedRun> runs) {
  std::vector<std::string> unique;
  for (const auto& run : runs) {
    const auto& references = member(run.reader.manifest(), "references");
    if (!references.is_array()) continue;
    for (const auto& reference : references) {
      auto text = reference_text(reference);
      if (!text.empty() && std::find(unique.begin(), unique.end(), text) == unique.end()) {
        unique.push_back(std::move(text));
      }
    }
  }
  if (unique.empty()) return {};
  std::string out = "<h3>Methods used</h3>\n<ul class=\"plain\">\n";
  for (const auto& text : unique) out += "<li>" + escape(text) + "</li>\n";
  return out + "</ul>\n";
}

}  // namespace

std::string differences_html(std::span<const NamedRun> runs) {
  constexpr std::size_t kShown = 24;
  if (runs.size() < 2) return {};
  std::vector<Flat> flats;
  for (const auto& run : runs) {
    flatten(member(run.reader.manifest(), "config"), "", flats.emplace_back());
  }
  std::vector<std::string> keys;
  std::size_t left_out = 0;
  for (auto& key : keys_of(flats)) {
    if (key == "run.name" || !differs(flats, key)) continue;
    keys.size() < kShown ? keys.push_back(key) : void(++left_out);
  }
  if (keys.empty()) return {};
  auto caption = std::string("Every configuration key whose value is not the same in all runs.");
  if (left_out > 0) caption += fmt::format(" {} more are in the configurations below.", left_out);
  return "<h3>What the runs differ in</h3>\n" + compare_table(caption, runs, flats, keys);
}

std::string appendix_section(std::span<const NamedRun> runs) {
  return "<section id=\"repeat\">\n<h2>To repeat this</h2>\n" + machines_html(runs) +
         configurations_html(runs) + plans_html(runs) + references_html(runs) + "</section>\n";
}

}  // namespace muonflow::report
