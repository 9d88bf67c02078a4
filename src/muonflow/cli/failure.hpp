// From an exception to what the user sees of it: one line on stderr and an exit code.
#pragma once

#include <string>

namespace muonflow::cli {

inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

struct Failure {
  int code = 0;  // 0: none
  std::string line;
};

// Of the exception that is being handled; one that is not a std::exception goes on.
Failure current_failure();

// "muonflow: LINE" on stderr; returns the code.
int complain(const std::string& line, int code);

}  // namespace muonflow::cli
