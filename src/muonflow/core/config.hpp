// A TOML file as a tree of options that still knows its lines, so that a message can say
// run.toml:12.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow {

class Config {
 public:
  Config();
  // Throws IoError (unreadable) or ConfigError (syntax, with line and column).
  static Config from_file(const std::filesystem::path& path);
  static Config from_text(const std::string& text, const std::string& name = "config");
  ~Config();
  Config(const Config&);
  Config& operator=(const Config&);

  const Json& tree() const;
  // Applies "train.steps=100": the value is read as TOML, or as a plain text where that fails.
  // Throws ConfigError.
  void set(const std::string& assignment);
  // "run.toml:12: train.steps", or "--set train.steps" for a value that set() gave.
  std::string place(const std::string& path) const;
  PlaceOf place_of() const;

 private:
  std::string name_;
  std::vector<Json>
      tree_;  // exactly one; a vector so that this header needs only the forward declaration
  std::map<std::string, std::string> places_;
};

// A tree of tables, lists and scalars as TOML text.
std::string to_toml(const Json& tree);

}  // namespace muonflow
