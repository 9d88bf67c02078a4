#include "muonflow/record/checkpoint_folder.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/record/json_file.hpp"

namespace muonflow::record {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kTemporary = ".writing-";
constexpr std::string_view kSuffix = ".safetensors";

std::string checkpoint_name(std::int64_t step) {
  auto digits = std::to_string(step);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return std::string(kPrefix) + digits;
}

// The step that a folder's name tells; nothing where it is no checkpoint's name.
std::optional<std::int64_t> step_of(const fs::path& path) {
  const auto name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const auto* const last = name.data() + name.size();
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), last, step);
  if (error != std::errc{} || end != last || step < 0) return std::nullopt;
  return step;
}

[[noreturn]] void fail(const fs::path& path, const std::string& what, int error) {
  throw IoError(
      {.place = path.string(), .what = what + ": " + std::generic_category().message(error)});
}

// A folder under a temporary name; removed unless it was given its own.
class PendingFolder {
 public:
  explicit PendingFolder(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::remove_all(path_, error);
    fs::create_directories(path_, error);
    if (error) fail(path_, "cannot be written", error.value());
  }
  ~PendingFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  const fs::path& path() const { return path_; }

  // Swaps with what is at `target`, if anything, in one step of the file system; the old one then
  // has the temporary name and goes with this object.
  void rename_to(const fs::path& target) const {
    if (::rename(path_.c_str(), target.c_str()) == 0) return;
    if (errno != ENOTEMPTY && errno != EEXIST) fail(target, "cannot be written", errno);
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
      return;
    }
    // A file system that cannot swap: for a moment there is neither.
    std::error_code ignored;
    fs::remove_all(target, ignored);
    if (::rename(path_.c_str(), target.c_str()) != 0) fail(target, "cannot be written", errno);
  }

 private:
  fs::path path_;
};

void point_latest_at(const fs::path& folder, const std::string& name) {
  const auto temporary = folder / (std::string(kTemporary) + "latest");
  std::error_code ignored;
  fs::remove(temporary, ignored);
  if (::symlink(name.c_str(), temporary.c_str()) != 0 ||
      ::rename(temporary.c_str(), (folder / "latest").c_str()) != 0) {
    fail(folder / "latest", "cannot be written", errno);
  }
}

// state.json, checked as far as everybody relies on it.
Json read_index(const fs::path& checkpoint) {
  auto index = read_json_file(checkpoint / "state.json");
  const bool sound = index.contains("step") && index["step"].is_number_integer() &&
                     index.contains("files") && index["files"].is_object() &&
                     index.contains("state");
  if (!sound) {
    throw IoError({.place = (checkpoint / "state.json").string(),
                   .expected = "step, files and state",
                   .found = "a file without them"});
  }
  return index;
}

bool is_complete(const fs::path& checkpoint) {
  try {
    const auto index = read_index(checkpoint);
    for (const auto& [name, size] : index["files"].items()) {
      std::error_code error;
      const auto found = fs::file_size(checkpoint / (name + std::string(kSuffix)), error);
      if (error || !size.is_number_unsigned() || size.get<std::uint64_t>() != found) return false;
    }
    return true;
  } catch (const IoError&) {
    return false;
  }
}

}  // namespace

fs::path write_checkpoint_folder(const fs::path& folder, std::int64_t step,
                                 const CheckpointFiles& files, const Json& state,
                                 std::int64_t keep) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(folder, "cannot be written", error.value());
  const auto name = checkpoint_name(step);
  const auto target = folder / name;
  const PendingFolder pending(folder / (std::string(kTemporary) + name));
  Json sizes = Json::object();
  for (const auto& [file, tensors] : files) {
    const auto path = pending.path() / (file + std::string(kSuffix));
    write_safetensors(path, *tensors);
    sizes[file] = fs::file_size(path);
  }
  write_json_file(pending.path() / "state.json",
                  {{"step", step}, {"files", std::move(sizes)}, {"state", state}});
  sync_folder(pending.path());
  pending.rename_to(target);
  sync_folder(folder);
  point_latest_at(folder, name);
  sync_folder(folder);
  if (keep > 0) {
    auto all = list_checkpoints(folder);
    // The one just written stays, also where another one has a higher step.
    std::erase(all, target);
    const auto excess = static_cast<std::int64_t>(all.size()) - (keep - 1);
    for (std::int64_t i = 0; i < excess; ++i) {
      fs::remove_all(all[static_cast<std::size_t>(i)], error);
    }
  }
  return target;
}

std::vector<fs::path> list_checkpoints(const fs::path& folder) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto step = step_of(entry.path());
    if (step && entry.is_directory(error) && is_complete(entry.path())) {
      found.emplace_back(*step, entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::optional<fs::path> newest_checkpoint(const fs::path& folder) {
  auto all = list_checkpoints(folder);
  if (all.empty()) return std::nullopt;
  return std::move(all.back());
}

Json read_checkpoint_state(const fs::path& checkpoint) { return read_index(checkpoint)["state"]; }

std::int64_t read_checkpoint_step(const fs::path& checkpoint) {
  return read_index(checkpoint)["step"].get<std::int64_t>();
}

TensorMap read_checkpoint_file(const fs::path& checkpoint, const std::string& name) {
  return read_safetensors(checkpoint / (name + std::string(kSuffix))).tensors;
}

}  // namespace muonflow::record
