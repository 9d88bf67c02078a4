// Runs the program under test as a user does: arguments in, exit code and both streams out.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "muonflow/core/file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::cli {

struct ProgramResult {
  int code = -1;  // exit code; 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

// One line on stderr that holds `part`, and the exit code.
inline void expect_refusal(const ProgramResult& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

// The program runs in a folder of the test's own.
class ProgramTest : public ::testing::Test {
 protected:
  // `meanwhile` is called while the program runs, with its process id.
  ProgramResult run(const std::vector<std::string>& arguments,
                    const std::function<void(pid_t)>& meanwhile = {}) const {
    std::vector<std::string> command{MUONFLOW_PROGRAM};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_command(command, meanwhile);
  }

  // Any program, by its path, that runs the one under test.
  ProgramResult run_command(std::vector<std::string> command,
                            const std::function<void(pid_t)>& meanwhile = {}) const {
    const auto out = folder / ".stdout", err = folder / ".stderr";
    const pid_t child = ::fork();
    if (child == 0) {
      const int to_out = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int to_err = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(to_out, STDOUT_FILENO);
      ::dup2(to_err, STDERR_FILENO);
      if (::chdir(folder.path().c_str()) != 0) ::_exit(127);
      // What the user of this machine has kept is not the test's business.
      ::setenv("XDG_CACHE_HOME", (folder / ".cache").c_str(), 1);
      std::vector<char*> argv;
      for (auto& argument : command) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    if (meanwhile) meanwhile(child);
    int status = 0;
    ::waitpid(child, &status, 0);
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .out = read_text_file(out),
            .err = read_text_file(err)};
  }

  void write(const std::string& name, std::string_view text) const {
    write_file(folder / name, text);
  }

  test::TemporaryFolder folder;
};

}  // namespace muonflow::cli
