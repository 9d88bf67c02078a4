// Named entries of one kind (rules, geometries, objectives, integrators, models, commands),
// enrolled where they are defined: a registry folder has one list header that includes each entry's
// file, and one line enrolls an entry.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow {

// Entry needs a `std::string name`. Lookups are by name; the order of `all` is alphabetical, so
// that it does not depend on the order in which entries were enrolled.
template <class Entry>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  void add(Entry entry) {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), entry,
                         [](const Entry& a, const Entry& b) { return a.name < b.name; });
    entries_.insert(at, std::move(entry));
  }

  const std::vector<Entry>& all() const { return entries_; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_) names.push_back(entry.name);
    return names;
  }

  const Entry* find(std::string_view name) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.name == name; });
    return at == entries_.end() ? nullptr : &*at;
  }

  // Throws ConfigError naming the nearest known name.
  const Entry& at(std::string_view name, const std::string& place = "") const {
    if (const Entry* entry = find(name)) return *entry;
    const auto known = names();
    const auto near = nearest_name(name, known);
    throw ConfigError({.place = place,
                       .what = "unknown " + kind_ + " '" + std::string(name) + "'",
                       .expected = "one of " + join(known),
                       .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
  }

 private:
  std::string kind_;
  std::vector<Entry> entries_;
};

}  // namespace muonflow
