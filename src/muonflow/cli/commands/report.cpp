// muonflow report: run folders and benchmarks into one self-contained HTML page, or the accuracy of
// kernels into a picture.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/record/json_file.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/report/bench/log_log_svg.hpp"
#include "muonflow/report/html.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

report::BenchFile read_bench(const std::string& path) {
  report::BenchFile file{fs::path(path).filename().string(), record::read_json_file(path)};
  if (!report::is_kernel_bench(file) && !report::is_accuracy_bench(file)) {
    throw IoError({.place = path,
                   .expected = "a document of muonflow bench kernels, steps or accuracy",
                   .found = "another"});
  }
  return file;
}

class Report final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positionals("run", runs_,
                          "run folders (training runs are compared with each other) and files that "
                          "muonflow bench --json wrote");
    arguments.option("out", out_, "the page to write [report.html in the folder of a single run]");
    arguments.option("svg", svg_, "a picture of a bench accuracy file, in place of the page");
  }

  int run() override {
    std::vector<record::RunReader> readers;
    std::vector<report::BenchFile> benches;
    const auto target = svg_.empty() ? page_path() : fs::path(svg_);
    for (const auto& path : runs_) {
      if (fs::is_regular_file(path)) {
        benches.push_back(read_bench(path));
      } else {
        readers.push_back(record::RunReader::open(path));
      }
    }
    if (!svg_.empty()) return write_picture(target, benches);
    const auto page = report::render(readers, benches);
    write_file(target, page);
    fmt::print("{}: {}, {:.0f} kB, opens in any browser, offline\n", target.string(),
               contents(readers.size(), benches.size()), static_cast<double>(page.size()) / 1e3);
    return 0;
  }

 private:
  fs::path page_path() const {
    if (!out_.empty()) return out_;
    if (runs_.size() > 1 || fs::is_regular_file(runs_.front())) {
      throw ConfigError({.place = "--out",
                         .expected = runs_.size() > 1 ? "a file for a page about several runs"
                                                      : "a file for a page about a benchmark",
                         .found = "none",
                         .advice = "add --out report.html"});
    }
    return fs::path(runs_.front()) / "report.html";
  }

  static std::string contents(std::size_t runs, std::size_t benches) {
    const auto count = [](std::size_t n, const std::string& noun) {
      return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
    };
    if (benches == 0) return count(runs, "run");
    if (runs == 0) return count(benches, "benchmark");
    return count(runs, "run") + " and " + count(benches, "benchmark");
  }

  int write_picture(const fs::path& target, const std::vector<report::BenchFile>& benches) const {
    if (runs_.size() != 1 || benches.size() != 1 || !report::is_accuracy_bench(benches.front())) {
      throw ConfigError(
          {.place = "--svg",
           .expected = "one file of muonflow bench accuracy",
           .found = runs_.size() == 1 ? runs_.front() : std::to_string(runs_.size()) + " inputs"});
    }
    write_file(target, report::accuracy_svg(report::accuracy_bench(benches.front())));
    fmt::print("{}\n", target.string());
    return 0;
  }

  std::vector<std::string> runs_;
  std::string out_;
  std::string svg_;
};

const Enrolled<Report> enrolled_report{"report", "run folders in, one self-contained HTML page out",
                                       "muonflow report runs/muon runs/adamw --out report.html"};

}  // namespace
}  // namespace muonflow::cli
