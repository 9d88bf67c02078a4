// muonflow report: run folders into one self-contained HTML page.
#include <fmt/format.h>

#include <filesystem>

#include "muonflow/cli/command.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/report/html.hpp"

namespace muonflow::cli {
namespace {

class Report final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positionals("run", runs_, "run folders; training runs are compared with each other");
    arguments.option("out", out_, "the page to write [report.html in the folder of a single run]");
  }

  int run() override {
    if (out_.empty() && runs_.size() > 1) {
      throw ConfigError({.place = "--out",
                         .expected = "a file for a page about several runs",
                         .found = "none",
                         .advice = "add --out report.html"});
    }
    const auto target = out_.empty() ? std::filesystem::path(runs_.front()) / "report.html"
                                     : std::filesystem::path(out_);
    std::vector<record::RunReader> readers;
    for (const auto& folder : runs_) readers.push_back(record::RunReader::open(folder));
    const auto page = report::render(readers);
    write_file(target, page);
    fmt::print("{}: {} run{}, {:.0f} kB, opens in any browser, offline\n", target.string(),
               runs_.size(), runs_.size() == 1 ? "" : "s", static_cast<double>(page.size()) / 1e3);
    return 0;
  }

 private:
  std::vector<std::string> runs_;
  std::string out_;
};

const Enrolled<Report> enrolled{"report", "run folders in, one self-contained HTML page out",
                                "muonflow report runs/muon runs/adamw --out report.html"};

}  // namespace
}  // namespace muonflow::cli
