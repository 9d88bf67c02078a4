// Training runs beside each other: charts, final numbers, routing, samples.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "muonflow/report/comparison.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

std::string rules_text(const TrainingRun& run) {
  std::string out;
  for (const auto& share : run.rules) {
    if (!out.empty()) out += ", ";
    out += fmt::format("{} {}", escape(share.rule), number_html(share.lr));
  }
  return out.empty() ? fixed_html(std::nan(""), 0) : out;
}

// Marks the smallest value of a column, where there are two or more to compare.
class Best {
 public:
  void see(double value) {
    if (!std::isfinite(value)) return;
    ++seen_;
    if (!(best_ <= value)) best_ = value;
  }
  std::string_view kind(double value) const {
    return seen_ > 1 && value == best_ ? "number best" : "number";
  }

 private:
  double best_ = std::nan("");
  int seen_ = 0;
};

std::string results_table(std::span<const TrainingRun> runs) {
  const auto common = common_validation_loss(runs);
  const auto arrival_of = [&](const TrainingRun& run) {
    const auto at = common ? arrival(run, *common) : std::nullopt;
    return at.value_or(Arrival{std::nan(""), std::nan(""), std::nan("")});
  };
  Best validation, steps, seconds;
  for (const auto& run : runs) {
    validation.see(run.best_validation());
    steps.see(arrival_of(run).step);
    seconds.see(arrival_of(run).seconds);
  }
  Table table;
  table.caption = "Losses in nats per token; training loss is the running mean.";
  table.head = {{"run"}, {"rules and rates"}, {"best validation loss", "number"}};
  if (common && runs.size() == 1) {
    table.head.push_back({"steps to it", "number"});
    table.head.push_back({"time to it", "number"});
  } else if (common) {
    const auto level = fixed_html(*common, 4);
    table.head.push_back({"steps to " + level, "number"});
    table.head.push_back({"time to " + level, "number"});
    table.caption += fmt::format(
        " A run has come to {} at its first evaluation at or below it; nothing is interpolated.",
        level);
  }
  for (const char* head : {"last validation loss", "training loss", "steps", "tokens", "time",
                           "tokens per second", "optimizer's share"}) {
    table.head.push_back({head, "number"});
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto& run = runs[r];
    const auto& at = run.at_step;
    const auto last = [](const std::vector<double>& v) {
      return v.empty() ? std::nan("") : v.back();
    };
    const double best = run.best_validation(), share = 100 * run.mean_optimizer_share();
    std::vector<Cell> row{{swatch_html(r) + escape(run.name)},
                          {rules_text(run), "words"},
                          {fixed_html(best, 4), validation.kind(best)}};
    if (common) {
      const auto reached = arrival_of(run);
      row.push_back({count_html(reached.step), steps.kind(reached.step)});
      row.push_back({duration_html(reached.seconds), seconds.kind(reached.seconds)});
    }
    for (const auto& cell : {fixed_html(run.final_validation(), 4), fixed_html(run.final_loss(), 4),
                             count_html(last(at.step)), count_html(last(at.tokens)),
                             duration_html(last(at.seconds)), count_html(run.mean_throughput()),
                             fixed_html(share, 1) + (std::isfinite(share) ? "%" : "")}) {
      row.push_back({cell, "number"});
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

// Whether the losses may be compared at all.
std::string comparability(std::span<const TrainingRun> runs) {
  std::set<std::string> data;
  for (const auto& run : runs) data.insert(run.data);
  if (data.size() < 2) return {};
  return "<p class=\"warn\">These runs were trained on different texts; their losses are not "
         "comparable with each other.</p>\n";
}

std::string routing_html(std::span<const TrainingRun> runs) {
  std::string out;
  for (const auto& run : runs) {
    if (run.routing.empty()) continue;
    std::vector<std::string> shares;
    for (const auto& share : run.rules) {
      shares.push_back(fmt::format("{} for {} tensor{} ({} parameters)", escape(share.rule),
                                   share.tensors, share.tensors == 1 ? "" : "s",
                                   count_html(share.parameters)));
    }
    Table table;
    table.head = {{"tensor"}, {"shape"}, {"role"}, {"rule"}, {"rate", "number"}, {"why"}};
    for (const auto& row : run.routing) {
      table.rows.push_back({{"<code>" + escape(row.tensor) + "</code>"},
                            {escape(row.shape)},
                            {escape(row.role)},
                            {escape(row.rule)},
                            {number_html(row.lr), "number"},
                            {escape(row.reason), "words"}});
    }
    out += details_html(escape(run.name) + ": " + prose_list(shares), table_html(table));
  }
  if (out.empty()) return {};
  return "<h3>Which tensor gets which rule</h3>\n" + out;
}

std::string samples_html(std::span<const TrainingRun> runs) {
  std::string out;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    if (runs[r].sample.empty()) continue;
    out += fmt::format("<div><h4>{} {}</h4><pre class=\"sample\" tabindex=\"0\">{}</pre></div>\n",
                       swatch_html(r), escape(runs[r].name), escape(runs[r].sample));
  }
  if (out.empty()) return {};
  return "<h3>What the trained models write</h3>\n<div class=\"samples\">\n" + out + "</div>\n";
}

}  // namespace

std::string training_section(std::span<const TrainingRun> runs, PageData& data) {
  if (runs.empty()) return {};
  std::vector<std::pair<std::string, std::string>> remarks;
  for (const auto& run : runs) {
    if (!run.state.empty()) remarks.emplace_back(run.name, run.state);
    for (const auto& remark : run.remarks) remarks.emplace_back(run.name, remark);
  }
  const auto figures = training_figures(runs, data);
  return "<section id=\"training\">\n<h2>Training</h2>\n" + comparability(runs) +
         remarks_html(remarks) +
         (figures.empty() ? "<p class=\"note\">No step has been recorded yet.</p>\n" : figures) +
         "<h3>Final numbers</h3>\n" + results_table(runs) + samples_html(runs) +
         routing_html(runs) + "</section>\n";
}

}  // namespace muonflow::report
