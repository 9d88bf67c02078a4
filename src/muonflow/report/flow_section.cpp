// Flow runs: charts and the numbers at their ends.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

std::string words(const std::string& text) {
  return text.empty() ? fixed_html(std::nan(""), 0) : escape(text);
}

// "quadratic, smoothed_nuclear, 1,000 particles of 8 × 16"
std::string problem(const FlowRun& run) {
  std::string out;
  for (const auto& name : {run.objective_name, run.geometry}) {
    if (!name.empty()) out += (out.empty() ? "" : ", ") + escape(name);
  }
  if (std::isfinite(run.particles)) {
    out += (out.empty() ? "" : ", ") + count_html(run.particles) +
           (run.particles == 1 ? " particle" : " particles");
    if (!run.shape.empty()) out += " of " + escape(run.shape);
  }
  return out.empty() ? words("") : out;
}

std::string rate_html(const FlowRun& run) {
  auto out = number_html(run.rate, 3);
  if (std::isfinite(run.rate_low) && std::isfinite(run.rate_high)) {
    out += fmt::format(" [{}, {}]", number_html(run.rate_low, 3), number_html(run.rate_high, 3));
  }
  return out;
}

std::string results_table(std::span<const FlowRun> runs) {
  Table table;
  table.caption =
      "The ledger error is the largest over the recorded times; relative: largest over all steps, "
      "over E at the start above the infimum of J where that is known. Fitted rate: E above that "
      "infimum falls like exp(−rate t), with its 95% interval. Rises are counted over all steps, "
      "for a run without an end between recorded times.";
  table.head = {{"run"}, {"problem"}, {"integrator"}};
  for (const char* head :
       {"end time", "E at the start", "E at the end", "J at the end", "ledger error", "relative",
        "times J rose", "times E rose", "wall time"}) {
    table.head.push_back({head, "number"});
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto& run = runs[r];
    const auto last = [](const std::vector<double>& v) {
      return v.empty() ? std::nan("") : v.back();
    };
    const double start = run.energy.empty() ? std::nan("") : run.energy.front();
    const auto step = std::isfinite(run.step) ? ", h = " + number_html(run.step) : "";
    std::vector<Cell> row{{swatch_html(r) + escape(run.name)},
                          {problem(run), "words"},
                          {words(run.integrator) + step, "words"}};
    for (const auto& cell :
         {number_html(last(run.time)), number_html(start, 5), number_html(last(run.energy), 5),
          number_html(last(run.objective), 5), number_html(run.largest_ledger_error(), 2),
          number_html(run.relative_ledger_error, 2), rate_html(run),
          count_html(run.rises.objective), count_html(run.rises.energy),
          duration_html(run.wall_seconds)}) {
      row.push_back({cell, "number"});
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

// What was integrated, and what it promises.
std::string equation(std::span<const FlowRun> runs) {
  const bool free =
      std::all_of(runs.begin(), runs.end(), [](const FlowRun& run) { return run.momentum_free; });
  if (free) {
    return "<p class=\"note\">N particles W follow W′&nbsp;=&nbsp;−∇Φ(G), without momentum: the "
           "energy is the objective J, and it can only fall.</p>\n";
  }
  return "<p class=\"note\">N particles W with momentum M follow W′&nbsp;=&nbsp;−∇Φ(M), "
         "M′&nbsp;=&nbsp;γ(G&nbsp;−&nbsp;M). Their energy E&nbsp;=&nbsp;J&nbsp;+&nbsp;K, "
         "K&nbsp;=&nbsp;mean&nbsp;Φ(M)/γ, can only fall, by exactly what the damping dissipates; "
         "the "
         "objective J alone may rise on the way.</p>\n";
}

}  // namespace

std::string flow_section(std::span<const FlowRun> runs, PageData& data) {
  if (runs.empty()) return {};
  std::vector<std::pair<std::string, std::string>> remarks;
  for (const auto& run : runs) {
    if (!run.state.empty()) remarks.emplace_back(run.name, run.state);
    for (const auto& remark : run.remarks) remarks.emplace_back(run.name, remark);
  }
  const auto figures = flow_figures(runs, data);
  return "<section id=\"flow\">\n<h2>Flow</h2>\n" + equation(runs) + remarks_html(remarks) +
         (figures.empty() ? "<p class=\"note\">No time has been recorded yet.</p>\n" : figures) +
         "<h3>Final numbers</h3>\n" + results_table(runs) + "</section>\n";
}

}  // namespace muonflow::report
