// One command of the command line: what it takes, and what it does. One file a command in
// commands/, enrolled there.
//
// A command file neither parses arguments nor sets exit codes: it names its arguments once
// (arguments()), throws Error for trouble, and main.cpp turns that into one line on stderr and the
// exit code (2: the request is wrong, 1: it failed).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/registry.hpp"

namespace muonflow::cli {

// The visitor to which a command names its arguments. Names of options are written without dashes
// ("input"); both
// "--ns-steps" and "--ns_steps" are accepted for "ns_steps".
class Arguments {
 public:
  virtual ~Arguments() = default;
  virtual void positional(std::string_view name, std::string& value, std::string_view doc,
                          bool required = true) = 0;
  virtual void positionals(std::string_view name, std::vector<std::string>& values,
                           std::string_view doc, bool required = true) = 0;
  virtual void option(std::string_view name, std::string& value, std::string_view doc,
                      bool required = false) = 0;
  virtual void option(std::string_view name, std::int64_t& value, std::string_view doc) = 0;
  virtual void option(std::string_view name, double& value, std::string_view doc) = 0;
  // "--json" alone gives the empty text, "--json FILE" the file; off without either.
  virtual void option_with_default(std::string_view name, std::optional<std::string>& value,
                                   std::string_view doc) = 0;
  virtual void flag(std::string_view name, bool& value, std::string_view doc) = 0;
  // Given any number of times: --set a=1 --set b=2.
  virtual void repeated(std::string_view name, std::vector<std::string>& values,
                        std::string_view doc) = 0;
};

class Command {
 public:
  virtual ~Command() = default;
  virtual void arguments(Arguments& arguments) = 0;
  // Returns the exit code: 0 done, 1 the run or a check failed.
  virtual int run() = 0;
};

struct CommandEntry {
  std::string name;
  std::string summary;  // one line of the command table
  std::string example;  // one line that works
  std::unique_ptr<Command> (*make)();
};

Registry<CommandEntry>& commands();

// At the end of a command file: const Enrolled<Replay> enrolled_replay{"replay", "applies a rule
// ...", "muonflow replay ..."};
template <class C>
struct Enrolled {
  Enrolled(std::string name, std::string summary, std::string example) {
    commands().add({std::move(name), std::move(summary), std::move(example),
                    [] { return std::unique_ptr<Command>(std::make_unique<C>()); }});
  }
};

}  // namespace muonflow::cli
