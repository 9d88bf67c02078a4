// muonflow compare: training runs beside each other in the terminal, and how much it took each to
// reach the same validation loss.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/cli/terminal_chart.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/report/comparison.hpp"
#include "muonflow/report/training_run.hpp"

namespace muonflow::cli {
namespace {

constexpr double kNoDifference = 1;  // percent; smaller differences are told as none

using report::Arrival;
using report::TrainingRun;

TrainingRun read_run(const std::string& folder, std::set<std::string>& names) {
  const auto reader = record::RunReader::open(folder);
  if (reader.events("step").empty()) {
    throw ConfigError({.place = folder,
                       .expected = "a training run",
                       .found = "a run without training steps",
                       .advice = "muonflow report shows runs of every kind"});
  }
  // Two runs may have folders of one name; then their paths tell them apart.
  const std::string name = names.insert(reader.name()).second ? reader.name() : folder;
  return report::training_run(reader, name);
}

std::string loss_text(double loss) {
  return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-";
}

// "20% fewer steps than", "20% more steps than", "as many steps as".
std::string steps_text(double mine, double reference) {
  const double percent = 100 * (mine / reference - 1);
  if (std::abs(percent) < kNoDifference) return "as many steps as";
  return fmt::format("{:.0f}% {} steps than", std::abs(percent), percent < 0 ? "fewer" : "more");
}

// "20% less time"; the same where the clock says nothing.
std::string time_text(double mine, double reference) {
  const double percent = 100 * (mine / reference - 1);
  if (!std::isfinite(percent) || mine <= 0) return "an unknown time";
  if (std::abs(percent) < kNoDifference) return "as much time";
  return fmt::format("{:.0f}% {} time", std::abs(percent), percent < 0 ? "less" : "more");
}

class Compare final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positionals("runs", folders_, "run folders; the first is what the others are compared with");
    a.option("loss", loss_, "validation loss to reach; 0: the lowest that every run reached");
    a.option("against", against_, "horizontal axis: steps or seconds");
    a.flag("json", json_, "prints JSON");
  }

  int run() override {
    if (against_ != "steps" && against_ != "seconds") {
      throw ConfigError(
          {.place = "--against", .expected = "steps or seconds", .found = "'" + against_ + "'"});
    }
    if (!std::isfinite(loss_) || loss_ < 0) {
      throw ConfigError({.place = "--loss", .expected = "a loss, or 0", .found = shortest(loss_)});
    }
    std::set<std::string> names;
    for (const auto& folder : folders_) runs_.push_back(read_run(folder, names));
    if (loss_ > 0) {
      target_ = loss_;
    } else {
      target_ = report::common_validation_loss(runs_);
    }
    for (const auto& run : runs_) {
      arrivals_.push_back(target_ ? report::arrival(run, *target_) : std::nullopt);
    }
    if (json_) {
      print_json();
    } else {
      print_chart();
      print_table();
      print_verdict();
    }
    return 0;
  }

 private:
  void print_chart() const {
    std::vector<Curve> curves;
    bool validated = true;
    for (const auto& run : runs_) validated = validated && run.validation.size() >= 3;
    for (const auto& run : runs_) {
      const auto& at = validated ? run.at_validation : run.at_step;
      curves.push_back({run.name, against_ == "steps" ? at.step : at.seconds,
                        validated ? run.validation : run.smoothed});
    }
    const std::string chart =
        draw_chart(curves, {.columns = std::clamp(terminal_columns(), 60, 100),
                            .x_label = against_,
                            .colour = stdout_is_terminal()});
    if (!chart.empty()) {
      fmt::print("{} loss, nats a token\n{}\n", validated ? "validation" : "training", chart);
    }
  }

  void print_table() const {
    std::size_t width = 3;
    for (const auto& run : runs_) width = std::max(width, run.name.size());
    fmt::print("{:<{}}  {:>7} {:>9} {:>9} {:>9} {:>8} {:>6}", "run", width, "steps", "val loss",
               "best val", "seconds", "tok/s", "opt %");
    if (target_) fmt::print("   to {:.4f}: {:>7} {:>9}", *target_, "steps", "seconds");
    fmt::print("\n");
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto& run = runs_[i];
      fmt::print("{:<{}}  {:>7} {:>9} {:>9} {:>9.1f} {:>8} {:>6.1f}", run.name, width,
                 run.at_step.step.back(), loss_text(run.final_validation()),
                 loss_text(run.best_validation()), run.at_step.seconds.back(),
                 thousands(run.mean_throughput()), 100 * run.mean_optimizer_share());
      if (target_ && arrivals_[i]) {
        fmt::print("   {:>10} {:>7} {:>9.1f}", "", arrivals_[i]->step, arrivals_[i]->seconds);
      } else if (target_) {
        fmt::print("   {:>10} {:>7} {:>9}", "", "never", "-");
      }
      fmt::print("\n");
    }
    fmt::print("\n");
  }

  // What the table means, against the first run.
  void print_verdict() const {
    for (const auto& run : runs_) {
      if (!run.state.empty()) fmt::print("{}: {}\n", run.name, run.state);
    }
    if (!target_) {
      fmt::print("No run was evaluated on validation data, so nothing says how far each came.\n");
      return;
    }
    if (runs_.size() < 2) return;
    const auto& reference = runs_.front();
    if (!arrivals_.front()) {
      fmt::print("{} never reaches a validation loss of {:.4f}.\n", reference.name, *target_);
      return;
    }
    for (std::size_t i = 1; i < runs_.size(); ++i) {
      if (!arrivals_[i]) {
        fmt::print("{} never reaches a validation loss of {:.4f}.\n", runs_[i].name, *target_);
        continue;
      }
      fmt::print("To a validation loss of {:.4f}, {} needs {} {}, and {}.\n", *target_,
                 runs_[i].name, steps_text(arrivals_[i]->step, arrivals_.front()->step),
                 reference.name, time_text(arrivals_[i]->seconds, arrivals_.front()->seconds));
    }
    fmt::print("One run each: other seeds, learning rates or machines may order them otherwise.\n");
  }

  void print_json() const {
    Json all;
    all["target"] = target_ ? Json(*target_) : Json();
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto& run = runs_[i];
      const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
      Json object{{"run", run.name},
                  {"folder", folders_[i]},
                  {"steps", number(run.at_step.step.back())},
                  {"seconds", number(run.at_step.seconds.back())},
                  {"validation_loss", number(run.final_validation())},
                  {"best_validation_loss", number(run.best_validation())},
                  {"tokens_per_second", number(run.mean_throughput())},
                  {"optimizer_share", number(run.mean_optimizer_share())},
                  {"steps_to_target", nullptr},
                  {"seconds_to_target", nullptr}};
      if (arrivals_[i]) {
        object["steps_to_target"] = arrivals_[i]->step;
        object["seconds_to_target"] = arrivals_[i]->seconds;
      }
      all["runs"].push_back(std::move(object));
    }
    fmt::print("{}\n", all.dump(2));
  }

  std::vector<std::string> folders_;
  double loss_ = 0;
  std::string against_ = "steps";
  bool json_ = false;

  std::vector<TrainingRun> runs_;
  std::optional<double> target_;
  std::vector<std::optional<Arrival>> arrivals_;  // of each run at the target
};

const Enrolled<Compare> enrolled_compare{"compare",
                                         "training runs beside each other in the terminal",
                                         "muonflow compare runs/demo/adamw runs/demo/muon"};

}  // namespace
}  // namespace muonflow::cli
