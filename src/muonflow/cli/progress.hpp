// Progress of long work on stderr: one line that rewrites itself on a terminal, plain lines now and
// then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace muonflow::cli {

class Progress {
 public:
  // `total` steps of work, of which `done` were done before (a resumed run).
  Progress(std::string name, std::int64_t total, std::int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows "name [#####.....] 120/500 24% | detail | eta 1m05s"; redraws at most ten times a second
  // on a terminal and prints a line at most every few seconds elsewhere.
  void update(std::int64_t done, const std::string& detail);
  // Ends the line; the last state stays visible.
  void finish();
  // Prints a line of its own above the progress line.
  void note(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void draw();

  std::string name_;
  std::int64_t total_;
  std::int64_t start_;
  std::int64_t done_;
  std::string detail_;
  bool terminal_;
  bool open_ = false;
  Clock::time_point began_ = Clock::now();
  Clock::time_point drawn_{};
};

// "1h02m", "3m05s", "12s"
std::string duration_text(double seconds);
// 12345.6 -> "12,346"
std::string thousands(double value);
// Columns of the terminal on stderr or stdout; 80 where unknown.
int terminal_columns();
bool stderr_is_terminal();
bool stdout_is_terminal();

}  // namespace muonflow::cli
