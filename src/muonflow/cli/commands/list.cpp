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

Json to_json(const Item& item) {
  Json object{{"name", item.name}, {"summary", item.summary}, {"reference", item.cite}};
  for (const auto& [name, text] : item.facts) object["facts"][name] = text;
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
  if (!item.cite.empty()) fmt::print("  {:<{}}  {}\n", "reference", label_width, item.cite);
  for (const auto& [name, text] : item.facts) {
    if (!text.empty()) fmt::print("  {:<{}}  {}\n", name, label_width, text);
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
  }

  int run() override {
    if (coefficients_ || !generate_.empty()) {
      list_coefficients(kind_, generate_, json_);
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
        for (const auto& item : items) all[kind.name].push_back(to_json(item));
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
    if (json_) {
      Json all = Json::array();
      for (const auto& item : items) all.push_back(to_json(item));
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
      // A preset is shown with its rule.
      if (item.name == name_ || name_.rfind(item.name + ".", 0) == 0) {
        if (json_) {
          fmt::print("{}\n", to_json(item).dump(2));
        } else {
          print_details(item);
        }
        return;
      }
      known.push_back(item.name);
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
};

const Enrolled<List> enrolled{"list", "what there is, with options and references",
                              "muonflow list rules muon"};

}  // namespace
}  // namespace muonflow::cli
