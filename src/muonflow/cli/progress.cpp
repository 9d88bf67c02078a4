#include "muonflow/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace muonflow::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(10);
constexpr int kBar = 16;

// Cuts to a number of columns; the texts here are ASCII.
std::string cut(std::string line, int columns) {
  if (static_cast<int>(line.size()) > columns) line.resize(static_cast<std::size_t>(columns));
  return line;
}

}  // namespace

Progress::Progress(std::string name, std::int64_t total, std::int64_t done)
    : name_(std::move(name)),
      total_(total),
      start_(done),
      done_(done),
      terminal_(stderr_is_terminal()) {}

Progress::~Progress() { finish(); }

void Progress::update(std::int64_t done, const std::string& detail) {
  done_ = done;
  detail_ = detail;
  open_ = true;
  const auto now = Clock::now();
  if (now - drawn_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine))) return;
  drawn_ = now;
  draw();
}

void Progress::draw() {
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 0.0;
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  const auto advanced = static_cast<double>(done_ - start_);
  const std::string eta =
      done_ >= total_ ? "took " + duration_text(seconds)
      : advanced > 0
          ? "eta " + duration_text(seconds / advanced * static_cast<double>(total_ - done_))
          : "eta ?";
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kBar);
  const std::string counts = std::to_string(done_) + "/" + std::to_string(total_);
  std::string line = name_ + " ";
  if (terminal_) line += "[" + std::string(filled, '#') + std::string(kBar - filled, '.') + "] ";
  line += counts + " | " + detail_ + " | " + eta;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", cut(line, terminal_columns() - 1).c_str());
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

void Progress::finish() {
  if (!open_) return;
  open_ = false;
  draw();
  if (terminal_) std::fputc('\n', stderr);
}

void Progress::note(const std::string& line) {
  if (terminal_ && open_) std::fputs("\r\033[K", stderr);
  std::fprintf(stderr, "%s\n", line.c_str());
  if (terminal_ && open_) draw();
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
  } else if (whole >= 60) {
    std::snprintf(text, sizeof text, "%lldm%02llds", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llds", whole);
  }
  return text;
}

std::string thousands(double value) {
  std::string digits = std::to_string(std::llround(std::abs(value)));
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return value < 0 ? "-" + digits : digits;
}

int terminal_columns() {
  winsize size{};
  for (const int descriptor : {STDERR_FILENO, STDOUT_FILENO}) {
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

bool stderr_is_terminal() { return isatty(STDERR_FILENO) != 0; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) != 0; }

}  // namespace muonflow::cli
