// muonflow study: one claim of the literature, computed, and judged by bounds that are printed
// before it runs; or all of them.
#include "muonflow/study/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/config.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/study/recorder.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

// Shows the work on stderr and writes raw results down.
class Watcher final : public study::Context {
 public:
  Watcher(const std::string& name, study::Recorder& recorder)
      : recorder_(recorder), progress_(name, kUnits) {}
  bool progress(double done, double total, const std::string& detail) override {
    const double share = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0;
    progress_.update(
        static_cast<std::int64_t>(share * kUnits),
        fmt::format("{} of {} {}", thousands(std::floor(done)), thousands(total), detail));
    return !interrupted();
  }
  void result(const Json& values) override { recorder_.result(values); }
  void finish() { progress_.finish(); }

 private:
  static constexpr std::int64_t kUnits = 1000;
  study::Recorder& recorder_;
  Progress progress_;
};

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "not measured";
}

std::string measured_text(const study::Estimate& measured) {
  auto text = number_text(measured.value);
  if (std::isfinite(measured.low) && std::isfinite(measured.high)) {
    text += fmt::format(" [{:.4g}, {:.4g}]", measured.low, measured.high);
  }
  return text;
}

std::string bound_text(const study::Bound& bound) {
  if (!bound.decides()) return "told, decides nothing";
  auto text = bound.range_text();
  if (bound.judged == study::Judged::interval) text += ", whole interval";
  return text + (bound.broken == study::Broken::fail ? ", else FAIL" : ", else FINDING");
}

void print_declaration(const study::StudyEntry& entry, const std::vector<study::Bound>& bounds,
                       const Json& options) {
  fmt::print("{}: {}\n  paper      {}\n  statement  {}\n  computed   {}\n", entry.name,
             entry.info.title, entry.info.paper, entry.info.statement, entry.info.computes);
  std::string text;
  for (const auto& [key, value] : options.items()) {
    text += (text.empty() ? "" : ", ") + key + " " + value.dump();
  }
  fmt::print("  options    {}\n  bounds, declared before the run\n", text);
  for (const auto& bound : bounds) {
    fmt::print("    {}: {}\n      {}{}\n", bound.name, bound.quantity, bound_text(bound),
               bound.why.empty() ? "" : " (" + bound.why + ")");
  }
  std::fflush(stdout);
}

void print_checks(const study::Judgement& judgement) {
  std::size_t name = 0, measured = 0, range = 0;
  for (const auto& check : judgement.checks) {
    name = std::max(name, check.bound.name.size());
    measured = std::max(measured, measured_text(check.measured).size());
    range = std::max(range, check.bound.range_text().size());
  }
  fmt::print("  measured, with 95% intervals\n");
  for (const auto& check : judgement.checks) {
    fmt::print("    {:<{}}  {:<{}}  {:<{}}  {}\n", check.bound.name, name,
               measured_text(check.measured), measured, check.bound.range_text(), range,
               check.bound.decides() ? enum_name(check.verdict) : "");
  }
  for (const auto& remark : judgement.remarks) fmt::print("  remark: {}\n", remark);
}

struct Done {
  std::string name;
  std::string verdict;
  double seconds = 0;
  int code = 0;
};

class Study final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positional("study", study_,
                         "a study of muonflow list studies, or a TOML file that names one; without "
                         "it the studies are listed",
                         false);
    arguments.flag("all", all_, "every study, one after the other");
    arguments.flag("quick", quick_, "a small form of a few seconds");
    arguments.repeated("set", assignments_, "key=value, an option of the study");
    arguments.option("out", out_, "run folder [runs/NAME; with --all runs/studies/NAME]");
    threads_.argument(arguments);
  }

  int run() override {
    threads_.apply();
    if (all_) return run_all();
    if (study_.empty()) {
      reject_without_study();
      list();
      return 0;
    }
    const auto [entry, options] = chosen();
    const auto folder = out_.empty() ? fs::path("runs") / entry->name : fs::path(out_);
    catch_interrupts();
    return run_one(*entry, options, folder).code;
  }

 private:
  // The study and its options: from a name, or from a file whose key "study" names it.
  std::pair<const study::StudyEntry*, Json> chosen() const {
    const bool is_file = study_.ends_with(".toml");
    auto config = is_file ? Config::from_file(study_) : Config::from_text("", "study");
    for (const auto& assignment : assignments_) config.set(assignment);
    Json table = config.tree();
    auto name = study_;
    if (is_file) {
      if (!table.contains("study") || !table["study"].is_string()) {
        throw ConfigError({.place = config.place("study"),
                           .what = "no study is named",
                           .expected = "study = \"NAME\"",
                           .advice = "see muonflow list studies"});
      }
      name = table["study"].get<std::string>();
      table.erase("study");
    }
    const auto& entry =
        study::studies().at(name, is_file ? config.place("study") : std::string("study"));
    return {&entry, entry.resolve(table, quick_, config.place_of())};
  }

  void reject_without_study() const {
    if (assignments_.empty() && !quick_ && out_.empty()) return;
    throw ConfigError({.place = "study",
                       .expected = "the name of a study, or --all",
                       .found = "neither",
                       .advice = "see muonflow list studies"});
  }

  static void list() {
    std::size_t name = 0, title = 0;
    for (const auto& entry : study::studies().all()) {
      name = std::max(name, entry.name.size());
      title = std::max(title, entry.info.title.size());
    }
    for (const auto& entry : study::studies().all()) {
      fmt::print("  {:<{}}  {:<{}}  {}\n", entry.name, name, entry.info.title, title,
                 entry.info.paper);
    }
    fmt::print(
        "Run one: muonflow study NAME; all: muonflow study --all. More: muonflow list studies\n");
  }

  int run_all() {
    if (!study_.empty() || !assignments_.empty()) {
      throw ConfigError({.place = "--all",
                         .what = "runs every study at its own options",
                         .advice = "leave the name and --set away, or run one study"});
    }
    const auto folder = out_.empty() ? fs::path("runs") / "studies" : fs::path(out_);
    catch_interrupts();
    std::vector<Done> done;
    for (const auto& entry : study::studies().all()) {
      done.push_back(
          run_one(entry, entry.resolve(Json::object(), quick_, {}), folder / entry.name));
      fmt::print("\n");
      if (interrupted()) break;
    }
    int code = 0;
    for (const auto& one : done) {
      fmt::print("{:<18}  {:<12}  {}\n", one.name, one.verdict, duration_text(one.seconds));
      code = std::max(code, one.code);
    }
    fmt::print("One page about all of them: muonflow report {}/* --out studies.html\n",
               folder.string());
    return code;
  }

  Done run_one(const study::StudyEntry& entry, const Json& options, const fs::path& folder) const {
    const auto bounds = entry.bounds(options);
    const auto blas = linalg::diagnose_blas(false);
    const auto seed = options.value("seed", std::int64_t{0});
    auto manifest = record::make_manifest(
        "study", "muonflow study " + (study_.empty() ? entry.name : study_), Json::object(), seed,
        {{"openblas", blas.openblas_config}, {"core", blas.openblas_core}});
    study::Recorder recorder(folder, entry, options, std::move(manifest));
    print_declaration(entry, bounds, options);
    Watcher watcher(entry.name, recorder);
    const auto began = std::chrono::steady_clock::now();
    const auto judgement = study::run_study(entry, options, watcher);
    watcher.finish();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    recorder.finish(judgement, seconds);
    if (judgement.cancelled) {
      fmt::print(stderr, "muonflow: {} was interrupted; it decides nothing\n", entry.name);
      return {entry.name, "interrupted", seconds, 1};
    }
    print_checks(judgement);
    const auto verdict = std::string(enum_name(judgement.verdict));
    fmt::print("{}: {} in {}, folder {}\n", entry.name, verdict, duration_text(seconds),
               folder.string());
    return {entry.name, verdict, seconds, judgement.verdict == study::Verdict::fail ? 1 : 0};
  }

  std::string study_, out_;
  std::vector<std::string> assignments_;
  bool all_ = false, quick_ = false;
  ThreadsOption threads_;
};

const Enrolled<Study> enrolled_study{"study",
                                     "runs a claim of the literature: PASS, FINDING or FAIL",
                                     "muonflow study flow-identity --out runs/identity"};

}  // namespace
}  // namespace muonflow::cli
