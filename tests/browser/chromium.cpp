#include "tests/browser/chromium.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "muonflow/core/file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kPatience = std::chrono::seconds(120);

// Waits for the process; one that does not end is stopped with all its children (it leads its
// group).
int wait_for(pid_t process) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (::waitpid(process, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(-process, SIGKILL);
      ::waitpid(process, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ::kill(-process, SIGKILL);  // helpers that outlived it; usually none
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Runs a program, its words into two files.
int run(const std::vector<std::string>& arguments, const fs::path& out, const fs::path& err) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&files, 2, err.c_str(), kWrite, 0600);
  posix_spawnattr_t group;
  posix_spawnattr_init(&group);
  posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&group, 0);
  pid_t process = 0;
  const int error = ::posix_spawn(&process, argv[0], &files, &group, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&group);
  return error == 0 ? wait_for(process) : -1;
}

std::string open_page(const std::string& chromium, const fs::path& page, const View& view,
                      const std::vector<std::string>& what) {
  TemporaryFolder folder;
  std::vector<std::string> arguments{
      chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
      // No name has an address: whatever the page or the browser asked for would fail.
      "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + (folder / "profile").string(),
      "--virtual-time-budget=5000",
      "--window-size=" + std::to_string(view.width) + "," + std::to_string(view.height)};
  if (view.dark) arguments.push_back("--blink-settings=preferredColorScheme=0");
  arguments.insert(arguments.end(), what.begin(), what.end());
  arguments.push_back("file://" + fs::absolute(page).string());
  const int code = run(arguments, folder / "out", folder / "err");
  if (code != 0) {
    throw std::runtime_error("chromium ended with " + std::to_string(code) + ": " +
                             read_text_file(folder / "err"));
  }
  return read_text_file(folder / "out");
}

}  // namespace

std::optional<std::string> find_chromium() {
  const char* path = std::getenv("PATH");
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
      const auto program = fs::path(folder) / name;
      if (::access(program.c_str(), X_OK) == 0) return program.string();
    }
  }
  return std::nullopt;
}

std::string dump_dom(const std::string& chromium, const fs::path& page, const View& view) {
  return open_page(chromium, page, view, {"--dump-dom"});
}

void screenshot(const std::string& chromium, const fs::path& page, const View& view,
                const fs::path& png) {
  open_page(chromium, page, view, {"--screenshot=" + png.string()});
}

void print_to_pdf(const std::string& chromium, const fs::path& page, const fs::path& pdf) {
  open_page(chromium, page, {}, {"--no-pdf-header-footer", "--print-to-pdf=" + pdf.string()});
}

}  // namespace muonflow::test
