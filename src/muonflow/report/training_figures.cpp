// Loss, learning rate, throughput and the optimizer's share of the training runs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/report/comparison.hpp"
#include "muonflow/report/line_figure.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

const std::vector<std::pair<std::string, std::string>> kAxes{
    {"step", "step"}, {"tokens", "training tokens"}, {"seconds", "time in training steps (s)"}};

Axes axes_of(const Positions& at) {
  return {{"step", at.step}, {"tokens", at.tokens}, {"seconds", at.seconds}};
}

// The upper end of the loss axis: the first twentieth of a run, where the loss falls from that of a
// uniform guess, may leave the chart, so that the rest can be told apart.
std::optional<double> loss_cap(std::span<const TrainingRun> runs) {
  double cap = -std::numeric_limits<double>::infinity(), whole = cap, low = -cap;
  for (const auto& run : runs) {
    const auto count = run.smoothed.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(run.smoothed[i])) continue;
      whole = std::max(whole, run.smoothed[i]);
      low = std::min(low, run.smoothed[i]);
      if (i >= count / 20) cap = std::max(cap, run.smoothed[i]);
    }
  }
  if (!(cap > low)) return std::nullopt;
  cap += 0.04 * (cap - low);
  // Little is gained where the start is not far above.
  if (whole - low < 1.25 * (cap - low)) return std::nullopt;
  return cap;
}

Figure training_figure(const std::string& id, const std::string& y) {
  Figure figure;
  figure.id = id;
  figure.section = "training";
  figure.x = kAxes;
  figure.y = y;
  return figure;
}

std::string loss_figure(std::span<const TrainingRun> runs, PageData& data) {
  auto figure = training_figure("training-loss", "loss (nats per token)");
  figure.cap = loss_cap(runs);
  bool averaged = false;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto& run = runs[r];
    const auto line = [&](const char* role, const std::vector<double>& y) {
      return Line{.label = run.name + ", training",
                  .axes = axes_of(run.at_step),
                  .y = y,
                  .role = role,
                  .run = r};
    };
    const bool smoothed = run.smoothing > 1;
    if (smoothed) add_line(figure, data, line("raw", run.loss));
    averaged = (add_line(figure, data, line("faint", run.smoothed)) && smoothed) || averaged;
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    add_line(figure, data,
             {.label = runs[r].name + ", validation",
              .axes = axes_of(runs[r].at_validation),
              .y = runs[r].validation,
              .role = "marks",
              .run = r});
  }
  if (figure.series.empty()) return {};
  const auto common = common_validation_loss(runs);
  std::string caption =
      "<b>Loss.</b> Thick with marks: validation; thin: training batch" +
      std::string(averaged ? ", running mean over the raw values in the background" : "") + ".";
  if (common && runs.size() > 1) {
    figure.level = {.value = *common, .label = fmt::format("reached by all: {:.4f}", *common)};
    caption += " Dashed: the lowest validation loss that every run reached.";
  }
  if (figure.cap) caption += " The first steps start above the frame.";
  return finish_figure(std::move(figure), data, caption, "wide");
}

// The peaks of the learning rates, for the caption: "muon 0.02 (run a)".
std::string rates_text(std::span<const TrainingRun> runs) {
  std::vector<std::string> items;
  for (const auto& run : runs) {
    if (run.rules.empty() || items.size() >= 4) continue;
    const auto& main = run.rules.front();
    items.push_back(
        fmt::format("{} ({} {})", escape(run.name), escape(main.rule), number_html(main.lr)));
  }
  return items.empty() ? "" : " Full rate: " + prose_list(items) + ".";
}

std::string rate_figure(std::span<const TrainingRun> runs, PageData& data) {
  auto figure = training_figure("training-rate", "learning rate");
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  for (const auto& run : runs) {
    double peak = 0;
    for (const double lr : run.lr) peak = std::isfinite(lr) ? std::max(peak, lr) : peak;
    if (peak == 0) continue;
    largest = std::max(largest, peak);
    smallest = std::min(smallest, peak);
  }
  if (largest == 0) return {};
  figure.log = largest > 5 * smallest;
  figure.from_zero = !figure.log;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    auto y = runs[r].lr;
    // On a log axis a decay to zero would need endless room.
    if (figure.log) {
      for (double& lr : y) lr = lr >= smallest / 100 ? lr : std::nan("");
    }
    add_line(figure, data,
             {.label = runs[r].name, .axes = axes_of(runs[r].at_step), .y = y, .run = r});
  }
  return finish_figure(
      std::move(figure), data,
      "<b>Learning rate</b> of the rule that moves most parameters." + rates_text(runs));
}

// Single steps jump with whatever else the machine does: curves of trends.
std::string speed_figure(std::span<const TrainingRun> runs, PageData& data, const std::string& id,
                         const std::string& label, const std::string& caption,
                         std::vector<double> (TrainingRun::*curve)() const, double factor) {
  auto figure = training_figure(id, label);
  figure.from_zero = true;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    auto values = (runs[r].*curve)();
    for (double& value : values) value *= factor;
    add_line(figure, data,
             {.label = runs[r].name, .axes = axes_of(runs[r].at_step), .y = values, .run = r},
             kPointsOfALine / 2);
  }
  return finish_figure(std::move(figure), data, caption);
}

std::string switches(bool capped) {
  std::string out =
      "<fieldset class=\"switch\"><legend>Against</legend>"
      "<input type=\"radio\" name=\"axis\" id=\"axis-step\" data-section=\"training\" "
      "data-axis=\"step\" checked><label for=\"axis-step\">steps</label>"
      "<input type=\"radio\" name=\"axis\" id=\"axis-tokens\" data-section=\"training\" "
      "data-axis=\"tokens\"><label for=\"axis-tokens\">tokens</label>"
      "<input type=\"radio\" name=\"axis\" id=\"axis-seconds\" data-section=\"training\" "
      "data-axis=\"seconds\"><label for=\"axis-seconds\">seconds</label></fieldset>\n";
  if (capped) {
    out +=
        "<fieldset class=\"switch\"><legend>Loss axis</legend>"
        "<input type=\"radio\" name=\"range\" id=\"range-detail\" data-section=\"training\" "
        "data-range=\"detail\" checked><label for=\"range-detail\">detail</label>"
        "<input type=\"radio\" name=\"range\" id=\"range-whole\" data-section=\"training\" "
        "data-range=\"whole\"><label for=\"range-whole\">whole</label></fieldset>\n";
  }
  return out;
}

}  // namespace

std::string training_figures(std::span<const TrainingRun> runs, PageData& data) {
  const auto loss = loss_figure(runs, data);
  auto small = rate_figure(runs, data);
  small += speed_figure(
      runs, data, "training-throughput", "tokens per second",
      "<b>Throughput</b> of whole steps over a twentieth of the run; evaluation and saving left "
      "out.",
      &TrainingRun::throughput_curve, 1);
  small += speed_figure(runs, data, "training-share", "share of a step's time (%)",
                        "<b>What the optimizer costs:</b> its share of the same time.",
                        &TrainingRun::optimizer_share_curve, 100);
  if (loss.empty() && small.empty()) return {};
  std::vector<std::string> names;
  for (const auto& run : runs) names.push_back(run.name);
  return "<div class=\"controls\">\n" + chips_html("training", names) +
         switches(loss_cap(runs).has_value()) + "</div>\n" + loss +
         (small.empty() ? "" : "<div class=\"figures\">\n" + small + "</div>\n");
}

}  // namespace muonflow::report
