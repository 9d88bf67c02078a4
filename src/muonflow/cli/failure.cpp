#include "muonflow/cli/failure.hpp"

#include <cstdio>
#include <exception>
#include <new>

#include "muonflow/core/error.hpp"

namespace muonflow::cli {

Failure current_failure() {
  try {
    throw;
  } catch (const ConfigError& error) {
    return {.code = kWrongUsage, .line = error.what()};
  } catch (const std::bad_alloc&) {
    return {.code = kFailed, .line = "out of memory"};
  } catch (const std::exception& error) {
    return {.code = kFailed, .line = error.what()};
  }
}

int complain(const std::string& line, int code) {
  std::fprintf(stderr, "muonflow: %s\n", line.c_str());
  return code;
}

}  // namespace muonflow::cli
