#include "muonflow/record/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/record/events.hpp"
#include "muonflow/record/json_file.hpp"

namespace muonflow::record {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMetricsHeader = "step,name,value\n";

[[noreturn]] void fail(const fs::path& path, int error) {
  throw IoError({.place = path.string(),
                 .what = "cannot be written: " + std::generic_category().message(error)});
}

// One call a line, so that a line is whole or absent for whoever reads meanwhile; the loop is for
// what a full disk leaves.
void append(int descriptor, const fs::path& path, std::string_view line) {
  while (!line.empty()) {
    const auto put = ::write(descriptor, line.data(), line.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(path, errno);
    line.remove_prefix(static_cast<std::size_t>(put));
  }
}

// The step that a line of metrics.csv begins with; -1 where it begins otherwise.
std::int64_t step_of_metric(std::string_view line) {
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
  const bool whole = error == std::errc{} && end != line.data() + line.size() && *end == ',';
  return whole ? step : -1;
}

void truncate_events(const fs::path& path, std::int64_t last_step) {
  std::string remark;
  std::string kept;
  for (const auto& event : read_events(path, remark)) {
    if (event["step"].get<std::int64_t>() <= last_step) kept += event_line(event) + "\n";
  }
  write_file(path, kept);
}

void truncate_metrics(const fs::path& path, std::int64_t last_step) {
  std::string kept(kMetricsHeader);
  if (fs::exists(path)) {
    const auto text = read_text_file(path);
    // A last line without its line break was cut off, maybe inside a number.
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const auto line = std::string_view(text).substr(begin, end + 1 - begin);
      const auto step = step_of_metric(line);
      if (step >= 0 && step <= last_step) kept += line;
    }
  }
  write_file(path, kept);
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) {
    throw IoError({.place = path_.string(),
                   .what = "cannot be opened: " + std::generic_category().message(errno)});
  }
  // File systems without locks are used without.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close();
    throw IoError({.place = path_.string(),
                   .what = "another process is writing this run",
                   .advice = "wait for it, or choose another folder"});
  }
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      events_(std::exchange(other.events_, -1)),
      metrics_(std::exchange(other.metrics_, -1)) {}

RunFolder& RunFolder::operator=(RunFolder&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    lock_ = std::exchange(other.lock_, -1);
    events_ = std::exchange(other.events_, -1);
    metrics_ = std::exchange(other.metrics_, -1);
  }
  return *this;
}

RunFolder::~RunFolder() { close(); }

void RunFolder::close() noexcept {
  for (int* descriptor : {&events_, &metrics_, &lock_}) {
    if (*descriptor >= 0) ::close(*descriptor);
    *descriptor = -1;
  }
}

void RunFolder::open_logs() {
  const auto open_log = [this](const char* name) {
    const auto path = path_ / name;
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) fail(path, errno);
    return descriptor;
  };
  events_ = open_log("events.jsonl");
  metrics_ = open_log("metrics.csv");
}

RunFolder RunFolder::create(const fs::path& path, const Json& manifest,
                            const std::string& config_toml) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error)) {
    throw ConfigError({.place = path.string(), .expected = "a folder", .found = "a file"});
  }
  fs::create_directories(path, error);
  if (error) fail(path, error.value());
  RunFolder folder(path);
  if (fs::directory_iterator(path, error) != fs::directory_iterator()) {
    throw ConfigError({.place = path.string(),
                       .what = "the folder is not empty",
                       .advice = "choose another one, or resume the run that is there"});
  }
  write_file(path / "config.toml", config_toml);
  write_file(path / "metrics.csv", kMetricsHeader);
  folder.open_logs();
  // Last: a folder with a manifest is a run folder, and has the rest.
  write_json_file(path / "manifest.json", manifest);
  return folder;
}

RunFolder RunFolder::open(const fs::path& path, std::int64_t last_step) {
  RunFolder folder(path);
  (void)read_json_file(path / "manifest.json");
  truncate_events(path / "events.jsonl", last_step);
  truncate_metrics(path / "metrics.csv", last_step);
  folder.open_logs();
  return folder;
}

void RunFolder::event(const Json& event) {
  append(events_, path_ / "events.jsonl", event_line(event) + "\n");
}

void RunFolder::metric(std::int64_t step, std::string_view name, double value) {
  const auto number = std::isfinite(value) ? shortest(value) : "";
  append(metrics_, path_ / "metrics.csv",
         std::to_string(step) + "," + std::string(name) + "," + number + "\n");
}

void RunFolder::config(const std::string& config_toml) {
  write_file(path_ / "config.toml", config_toml);
}

void RunFolder::summary(const Json& summary) { write_json_file(path_ / "summary.json", summary); }

}  // namespace muonflow::record
