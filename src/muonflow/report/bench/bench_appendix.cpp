// What a reader needs to judge the times of a benchmark: processor, threads, libraries.
#include <nlohmann/json.hpp>

#include "muonflow/report/bench/bench_sections.hpp"
#include "muonflow/report/events.hpp"
#include "muonflow/report/markup.hpp"

namespace muonflow::report {
namespace {

// Leaves with their dotted keys; a list is one value.
void add_rows(const Json& value, const std::string& key, Table& table) {
  if (value.is_object()) {
    for (const auto& [name, part] : value.items()) {
      add_rows(part, key.empty() ? name : key + "." + name, table);
    }
    return;
  }
  const auto text = plain_text(value);
  if (text.empty()) return;
  table.rows.push_back({{"<code>" + escape(key) + "</code>"}, {escape(text), "words"}});
}

}  // namespace

std::string bench_appendix(std::span<const BenchFile> files) {
  std::string out;
  for (const auto& file : files) {
    Table table;
    table.head = {{"fact"}, {"value"}};
    if (file.document().is_object()) {
      for (const auto& [name, value] : file.document().items()) {
        // What was measured stands above.
        if (name == "rows" || name == "series" || name == "conditions" || name == "contenders") {
          continue;
        }
        add_rows(value, name, table);
      }
    }
    if (files.size() > 1) out += "<h3>" + escape(file.name()) + "</h3>\n";
    out += table_html(table);
  }
  if (out.empty()) return out;
  return "<section id=\"measured\">\n<h2>Where this was measured</h2>\n" + out + "</section>\n";
}

}  // namespace muonflow::report
