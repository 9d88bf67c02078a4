// Another library beside ours in a benchmark: a child process that answers lines with lines, so
// that both take turns in one run and each has the environment it deserves.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muonflow::cli {

class PeerProcess {
 public:
  // Starts arguments[0] (searched in PATH) with the variables set, or unset where the value is off.
  // A program that cannot be started answers nothing.
  PeerProcess(const std::vector<std::string>& arguments,
              const std::vector<std::pair<std::string, std::optional<std::string>>>& environment);
  // Closes its input and waits for it.
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  // Sends a line and returns the answer; empty where the process has ended.
  std::string ask(const std::string& line);

 private:
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

// The file bench/peers/NAME above the current folder or above this program; empty: not found.
std::string find_peer_script(const std::string& name);

}  // namespace muonflow::cli
