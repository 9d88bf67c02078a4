// muonflow list: what there is, each with its options and its reference; read from the registries
// alone, so that it cannot lag behind.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/cli/catalogue.hpp"
#include "muonflow/cli/coefficient_list.hpp"
#include "muonflow/cli/command.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow::cli {
namespace {

const Kind& kind_named(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& kind : kinds()) {
    if (kind.name == name || kind.name == name + "s") return kind;
    if (kind.name == "studies" && name == "study") return kind;
    known.push_back(kind.name);
  }
  const auto near = nearest_name(name, known);
  throw ConfigError({.place = "muonflow list",
                     .what = "nothing is called '" + name + "'",
                     .expected = "one of " + join(known),
                     .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
}

Json item_json(const Item& item) {
  Json object{{"name", item.name}, {"summary", item.summary}, {"reference", item.cite}};
  for (const auto& [name, text] : item.facts) object["facts"][name] = text;
  for (const auto& preset : item.presets) {
    object["presets"].push_back({{"name", preset.name},
                                 {"reproduces", preset.doc},
                                 {"options", Json::parse(preset.options)}});
  }
  object["options"] = Json::array();
  // A choice, and "off", describe their default as a bare word.
  const auto value = [](const std::string& text) {
    Json parsed = Json::parse(text, nullptr, false);
    return parsed.is_discarded() ? Json(text) : parsed;
  };
  for (const auto& option : item.options) {
    object["options"].push_back({{"name", option.name},
                                 {"type", option.type},
                                 {"default", value(option.default_value)},
                                 {"range", option.range},
                                 {"doc", option.doc}});
  }
  return object;
}

// One line an entry.
void print_table(const std::vector<Item>& items) {
  std::size_t name_width = 0;
  std::size_t summary_width = 0;
  for (const auto& item : items) {
    name_width = std::max(name_width, item.name.size());
    summary_width = std::max(summary_width, item.summary.size());
  }
  for (const auto& item : items) {
    if (item.cite.empty()) {
      fmt::print("  {:<{}}  {}\n", item.name, name_width, item.summary);
    } else {
      fmt::print("  {:<{}}  {:<{}}  {}\n", item.name, name_width, item.summary, summary_width,
                 item.cite);
    }
  }
}

// ", in [0, 1)" or " (one of jordan, svd)"
std::string range_text(const std::string& range) {
  if (range.empty()) return "";
  return range.rfind("one of", 0) == 0 ? " (" + range + ")" : ", in " + range;
}

// Everything that an entry says of itself.
void print_details(const Item& item) {
  fmt::print("{}: {}\n", item.name, item.summary);
  std::size_t label_width = std::string_view("reference").size();
  for (const auto& [name, text] : item.facts) label_width = std::max(label_width, name.size());
  for (const auto& preset : item.presets) label_width = std::max(label_width, preset.name.size());
  if (!item.cite.empty()) fmt::print("  {:<{}}  {}\n", "reference", label_width, item.cite);
  for (const auto& [name, text] : item.facts) {
    if (!text.empty()) fmt::print("  {:<{}}  {}\n", name, label_width, text);
  }
  for (const auto& preset : item.presets) {
    fmt::print("  {:<{}}  {}\n", preset.name, label_width, preset.doc);
    fmt::print("  {:<{}}  {}\n", "", label_width, preset.options);
  }
  if (item.options.empty()) return;
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  for (const auto& option : item.options) {
    name_width = std::max(name_width, option.name.size());
    value_width = std::max(value_width, option.default_value.size());
  }
  fmt::print("  options\n");
  for (const auto& option : item.options) {
    fmt::print("    {:<{}} = {:<{}}  {}{}\n", option.name, name_width, option.default_value,
               value_width, option.doc, range_text(option.range));
  }
}

// ---- Markdown, for pages of documentation ----

std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '|') safe += '\\';
    safe += c == '<' ? "&lt;" : std::string(1, c);
  }
  return safe;
}

void print_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const auto& text : cells) row += " " + text + " |";
  fmt::print("{}\n", row);
}

void print_head(const std::vector<std::string>& names) {
  print_row(names);
  print_row(std::vector<std::string>(names.size(), "---"));
}

std::string fact_of(const Item& item, const std::string& wanted) {
  for (const auto& [name, text] : item.facts) {
    if (name == wanted) return text;
  }
  return "";
}

// Every entry in a line, each with a link to its page.
void print_markdown(const std::vector<Item>& items) {
  std::vector<std::string> extra;
  for (const auto* name : {"transfer", "differs"}) {
    const auto says = [&](const Item& item) { return !fact_of(item, name).empty(); };
    if (std::any_of(items.begin(), items.end(), says)) extra.emplace_back(name);
  }
  std::vector<std::string> head{"name", "in one line", "reference"};
  head.insert(head.end(), extra.begin(), extra.end());
  print_head(head);
  for (const auto& item : items) {
    std::vector<std::string> row{fmt::format("[{0}]({0}.md)", item.name), cell(item.summary),
                                 cell(item.cite)};
    for (const auto& name : extra) row.push_back(cell(fact_of(item, name)));
    print_row(row);
  }
}

// What the registry says of one entry.
void print_markdown(const Item& item) {
  print_head({"in one line", cell(item.summary)});
  if (!item.cite.empty()) print_row({"reference", cell(item.cite)});
  for (const auto& [name, text] : item.facts) {
    if (!text.empty()) print_row({name, cell(text)});
  }
  if (!item.options.empty()) {
    fmt::print("\n## Options\n\n");
    print_head({"option", "default", "range", "meaning"});
    for (const auto& option : item.options) {
      print_row({"`" + option.name + "`", "`" + option.default_value + "`", cell(option.range),
                 cell(option.doc)});
    }
  }
  if (item.presets.empty()) return;
  fmt::print("\n## Presets\n\n");
  print_head({"preset", "reproduces", "options"});
  for (const auto& preset : item.presets) {
    print_row({"`" + preset.name + "`", cell(preset.doc), "`" + preset.options + "`"});
  }
}

// Whether an item, or one of its presets, has this name.
bool is_called(const Item& item, const std::string& name) {
  return item.name == name ||
         std::any_of(item.presets.begin(), item.presets.end(),
                     [&](const Preset& preset) { return preset.name == name; });
}

class List final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positional(
        "kind", kind_,
        "rules, transforms, geometries, integrators, objectives, models, data, studies, settings "
        "or commands",
        false);
    a.positional("name", name_, "one of them, with everything that it says of itself", false);
    a.flag("coefficients", coefficients_,
           "the tables of polynomial polar methods (or the one named), and what they do to values");
    a.option("generate", generate_,
             "with --coefficients: the composition made to these options, a JSON object with "
             "lower, upper, degree, steps, safety, cushion");
    a.flag("json", json_, "prints JSON");
    a.flag("markdown", markdown_, "prints a kind, or one of them, as a page of documentation");
  }

  int run() override {
    if (coefficients_ || !generate_.empty()) {
      list_coefficients(kind_, generate_, json_);
    } else if (markdown_ && (json_ || kind_.empty())) {
      throw ConfigError({.place = "muonflow list --markdown",
                         .expected = "a kind, such as rules, and no --json"});
    } else if (kind_.empty()) {
      list_everything();
    } else if (name_.empty()) {
      list_kind(kind_named(kind_));
    } else {
      show_one(kind_named(kind_));
    }
    return 0;
  }

 private:
  void list_everything() const {
    Json all;
    for (const auto& kind : kinds()) {
      const auto items = kind.items();
      if (json_) {
        all[kind.name] = Json::array();
        for (const auto& item : items) all[kind.name].push_back(item_json(item));
      } else {
        fmt::print("{} ({})\n", kind.name, kind.doc);
        print_table(items);
        fmt::print("\n");
      }
    }
    if (json_) {
      fmt::print("{}\n", all.dump(2));
    } else {
      fmt::print("More about one of them: muonflow list rules muon\n");
    }
  }

  void list_kind(const Kind& kind) const {
    const auto items = kind.items();
    if (markdown_) {
      print_markdown(items);
      return;
    }
    if (json_) {
      Json all = Json::array();
      for (const auto& item : items) all.push_back(item_json(item));
      fmt::print("{}\n", all.dump(2));
      return;
    }
    bool first = true;
    for (const auto& item : items) {
      if (!first) fmt::print("\n");
      print_details(item);
      first = false;
    }
  }

  void show_one(const Kind& kind) const {
    std::vector<std::string> known;
    for (const auto& item : kind.items()) {
      if (is_called(item, name_)) {  // a preset is shown with its rule
        if (markdown_) {
          print_markdown(item);
        } else if (json_) {
          fmt::print("{}\n", item_json(item).dump(2));
        } else {
          print_details(item);
        }
        return;
      }
      known.push_back(item.name);
      for (const auto& preset : item.presets) known.push_back(preset.name);
    }
    const auto near = nearest_name(name_, known);
    throw ConfigError({.place = "muonflow list " + kind.name,
                       .what = "nothing is called '" + name_ + "'",
                       .expected = "one of " + join(known),
                       .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
  }

  std::string kind_;
  std::string name_;
  bool coefficients_ = false;
  std::string generate_;
  bool json_ = false;
  bool markdown_ = false;
};

const Enrolled<List> enrolled_list{"list", "what there is, with options and references",
                                   "muonflow list rules muon"};

}  // namespace
}  // namespace muonflow::cli
