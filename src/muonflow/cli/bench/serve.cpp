#include "muonflow/cli/bench/serve.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "muonflow/cli/bench/rivals.hpp"
#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/diagnose.hpp"

namespace muonflow::cli {
namespace {

// "6x384x384,1x384x1536"; empty where it reads otherwise.
std::vector<MatrixShape> shapes_from(const std::string& runs) {
  constexpr Index kMost = Index{1} << 30;
  std::vector<MatrixShape> shapes;
  std::istringstream words(runs);
  for (std::string word; std::getline(words, word, ',');) {
    std::istringstream parts(word);
    Index count = 0, rows = 0, cols = 0;
    char x = 0, y = 0;
    parts >> count >> x >> rows >> y >> cols;
    if (!parts || x != 'x' || y != 'x' || count < 1 || rows < 1 || cols < 1 ||
        count > kMost / rows / cols) {
      return {};
    }
    shapes.insert(shapes.end(), static_cast<std::size_t>(count), {rows, cols});
  }
  return shapes;
}

class Server {
 public:
  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "about") return about(words);
    if (verb == "load") return load(words);
    if (verb == "time") return time(words);
    if (verb == "save") return save(words);
    return "error: unknown word " + verb;
  }

 private:
  static std::string about(std::istream& words) {
    int count = 0;
    words >> count;
    set_threads(count);
    return Json{{"core", linalg::blas_core_name()}}.dump();
  }

  std::string load(std::istream& words) {
    std::string runs, file;
    words >> runs >> number_ >> file;
    const auto shapes = shapes_from(runs);
    if (!words || shapes.empty()) return "error: no shapes";
    input_.emplace(shapes);
    const auto bytes = read_file(file);
    if (bytes.size() != input_->values().size() * sizeof(float)) return "error: wrong size";
    std::memcpy(input_->values().data(), bytes.data(), bytes.size());
    work_ = input_;
    return "ok";
  }

  std::optional<Rival> rival(std::istream& words) const {
    std::string method;
    words >> method;
    if (!input_) return std::nullopt;
    for (const auto task : {Task::polar, Task::regularized_polar, Task::inverse_root}) {
      for (auto& known : rivals(task, *input_)) {
        if (method_name(known) == method) return known;
      }
    }
    return std::nullopt;
  }

  std::string time(std::istream& words) {
    const auto chosen = rival(words);
    double least = 0;
    words >> least;
    if (!chosen || !words) return "error: no such method";
    return fmt::format("{:.9g}", seconds_of([&] { work_ = input_; },
                                            [&] { chosen->run(*work_, number_); }, least));
  }

  std::string save(std::istream& words) {
    const auto chosen = rival(words);
    std::string file;
    words >> file;
    if (!chosen || !words) return "error: no such method";
    work_ = input_;
    chosen->run(*work_, number_);
    write_file(file, std::as_bytes(std::span(work_->values())));
    return "ok";
  }

  double number_ = 0;
  std::optional<Matrices> input_;
  std::optional<Matrices> work_;
};

}  // namespace

int serve_rivals() {
  Server server;
  for (std::string line; std::getline(std::cin, line);) {
    std::string answer;
    try {
      answer = server.answer(line);
    } catch (const Error& error) {
      answer = std::string("error: ") + error.what();
    }
    fmt::print("{}\n", answer);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace muonflow::cli
