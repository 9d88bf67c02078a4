// The option --threads of commands that compute.
#pragma once

#include <cstdint>
#include <string>

#include "muonflow/cli/command.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow::cli {

class ThreadsOption {
 public:
  void argument(Arguments& arguments) {
    arguments.option("threads", count_, "threads; 0: all processors. Results do not depend on it");
  }
  // Throws ConfigError for a negative number.
  void apply() const {
    if (count_ < 0) {
      throw ConfigError(
          {.place = "--threads", .expected = "0 (all) or more", .found = std::to_string(count_)});
    }
    set_threads(static_cast<int>(count_));
  }

 private:
  std::int64_t count_ = 0;
};

}  // namespace muonflow::cli
