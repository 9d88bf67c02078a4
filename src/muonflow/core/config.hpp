// A TOML file as a tree of options that still knows its lines, so that a message can say
// run.toml:12.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "muonflow/core/fields.hpp"

namespace muonflow {

// An empty Config is an empty tree. Keys keep the order of the file. Dates and times become texts.
class Config {
 public:
  Config();
  // Throws IoError (unreadable) or ConfigError (syntax, with line and column).
  static Config from_file(const std::filesystem::path& path);
  static Config from_text(const std::string& text, const std::string& name = "config");

  const Json& tree() const { return *tree_; }
  // Applies "train.steps=100" or "optimizer.groups[0].lr=0.1" (an element that exists): the value
  // is read as TOML, or as a plain text where that fails. Tables on the way are made. Throws
  // ConfigError.
  void set(const std::string& assignment);
  // "run.toml:12: train.steps", or "--set train.steps" for a value that set() gave; a key that is
  // absent is placed by its nearest table.
  std::string place(const std::string& path) const;
  // The same as a function that outlives this object.
  PlaceOf place_of() const;

 private:
  std::string name_ = "config";
  std::shared_ptr<const Json> tree_;  // never null; replaced as a whole, so that copies stay apart
  std::map<std::string, std::string> places_;  // path -> "run.toml:12" or "--set train.steps"
};

// A tree of tables, lists and scalars as TOML text; null values are left out. Throws ConfigError
// for what TOML cannot hold (a null inside a list).
std::string to_toml(const Json& tree);

}  // namespace muonflow
