// Everything that has a name: the registries of the library and of the program, in one form for
// people and scripts to read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

// Option values under a name of their own: "muon.jordan", "adam".
struct Preset {
  std::string name;
  std::string doc;      // what it reproduces
  std::string options;  // as JSON
};

// One entry of any registry.
struct Item {
  std::string name;
  std::string summary;
  std::string cite;
  std::vector<std::pair<std::string, std::string>> facts;  // what else it says of itself
  std::vector<FieldInfo> options;
  std::vector<Preset> presets = {};
};

// One registry.
struct Kind {
  std::string name;
  std::string doc;
  std::vector<Item> (*items)();
};

const std::vector<Kind>& kinds();

}  // namespace muonflow::cli
