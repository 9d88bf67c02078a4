// muonflow data: which data sets there are, and one of them put where runs find it.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/data_cache.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/data/datasets.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

// A Debian package unpacked into a folder that goes with this object.
class UnpackedPackage {
 public:
  explicit UnpackedPackage(const fs::path& package) {
    std::string pattern = (fs::temp_directory_path() / "muonflow-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw IoError({.place = pattern, .what = "cannot be made: " + cause(errno)});
    }
    folder_ = pattern;
    try {
      unpack(package);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~UnpackedPackage() { remove(); }
  UnpackedPackage(const UnpackedPackage&) = delete;
  UnpackedPackage& operator=(const UnpackedPackage&) = delete;

  const fs::path& folder() const { return folder_; }

 private:
  static std::string cause(int error) { return std::generic_category().message(error); }

  void unpack(const fs::path& package) const {
    // Absolute, so that no name is taken for an option.
    const auto source = fs::absolute(package).string();
    const auto target = folder_.string();
    std::string program = "dpkg-deb";
    std::string verb = "-x";
    std::array<char*, 5> arguments{program.data(), verb.data(), const_cast<char*>(source.c_str()),
                                   const_cast<char*>(target.c_str()), nullptr};
    // Its own complaint would be a second line beside ours.
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int error =
        ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      throw IoError({.place = package.string(),
                     .what = "dpkg-deb cannot be started: " + cause(error),
                     .advice = "unpack the package and give its folder"});
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      throw IoError({.place = package.string(),
                     .what = "dpkg-deb cannot unpack it",
                     .advice = "is it a whole Debian package?"});
    }
  }
  void remove() const {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path folder_;
};

class Data final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positional("action", action_, "list, or get NAME");
    a.positional("name", name_, "data set to get", false);
    a.option("from", from_, "a package (.deb), the folder it was unpacked in, or its data file");
    a.option("cache", cache_, "folder of data sets [$XDG_CACHE_HOME/muonflow, ~/.cache/muonflow]");
  }

  int run() override {
    if (action_ == "list") {
      if (!name_.empty() || !from_.empty()) {
        throw ConfigError({.place = "muonflow data list", .what = "takes neither NAME nor --from"});
      }
      return list();
    }
    if (action_ != "get") {
      throw ConfigError(
          {.place = "muonflow data", .expected = "list or get NAME", .found = action_});
    }
    if (name_.empty()) {
      throw ConfigError({.place = "muonflow data get",
                         .expected = "the name of a data set",
                         .advice = "see: muonflow data list"});
    }
    return get(data::datasets().at(name_, "muonflow data get"));
  }

 private:
  fs::path cache() const {
    const auto folder = cache_.empty() ? data_cache() : fs::path(cache_);
    if (folder.empty()) {
      throw ConfigError({.place = "muonflow data",
                         .what = "neither HOME nor XDG_CACHE_HOME names a folder",
                         .advice = "give --cache DIR"});
    }
    return folder;
  }

  int list() const {
    for (const auto& entry : data::datasets().all()) {
      const auto found = data::find(entry, cached_dataset(entry, cache()));
      fmt::print("{}: {}\n", entry.name, entry.summary);
      fmt::print("  size     {} bytes\n", thousands(static_cast<double>(entry.bytes)));
      fmt::print("  licence  {}\n", entry.licence);
      fmt::print("  here     {}\n", found ? found->string() : "no");
      if (!found) fmt::print("  obtain   {}\n", command(entry));
    }
    return 0;
  }

  int get(const data::DatasetEntry& entry) const {
    const fs::path from = from_.empty() ? cached_dataset(entry, cache()) : fs::path(from_);
    if (from_.empty() && !data::find(entry, from)) {
      throw IoError({.place = "data set " + entry.name,
                     .what = "is neither in " + cache().string() + " nor installed",
                     .advice = "obtain it with: " + command(entry)});
    }
    if (from.extension() == ".deb" && fs::is_regular_file(from)) {
      const UnpackedPackage package(from);
      return store(entry, package.folder());
    }
    return store(entry, from);
  }

  int store(const data::DatasetEntry& entry, const fs::path& from) const {
    const auto stored = data::store(entry, from, cache());
    const auto text = data::load(entry, stored);
    fmt::print("{}: {}\n", entry.name, entry.summary);
    fmt::print("  verified {} bytes to train on, {} to validate on, SHA-256 {}\n",
               thousands(static_cast<double>(text.training.size())),
               thousands(static_cast<double>(text.validation.size())), entry.digest);
    fmt::print("  licence  {}\n", entry.licence);
    fmt::print("  stored   {}\n", stored.string());
    return 0;
  }

  static std::string command(const data::DatasetEntry& entry) {
    return entry.obtain + " && muonflow data get " + entry.name + " --from DIR";
  }

  std::string action_;
  std::string name_;
  std::string from_;
  std::string cache_;
};

const Enrolled<Data> enrolled_data{
    "data", "real data sets: which there are, and one of them fetched",
    "muonflow data get austen --from r-cran-janeaustenr_1.0.0-1_all.deb"};

}  // namespace
}  // namespace muonflow::cli
