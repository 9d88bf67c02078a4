// Flow runs: charts and the numbers at their ends.
#include <fmt/format.h>

#include <cmath>

#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

std::string words(const std::string& text) {
  return text.empty() ? fixed_html(std::nan(""), 0) : escape(text);
}

std::string results_table(std::span<const FlowRun> runs) {
  Table table;
  table.caption =
      "Final numbers. The ledger error is the largest over the recorded times, beside its size "
      "relative to E(0).";
  table.head = {{"run"},
                {"objective"},
                {"geometry"},
                {"integrator"},
                {"particles", "number"},
                {"end", "number"},
                {"E(0)", "number"},
                {"E(end)", "number"},
                {"J(end)", "number"},
                {"ledger error", "number"},
                {"relative", "number"},
                {"J rose", "number"},
                {"E rose", "number"},
                {"wall time", "number"}};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto& run = runs[r];
    const auto last = [](const std::vector<double>& v) {
      return v.empty() ? std::nan("") : v.back();
    };
    const double start = run.energy.empty() ? std::nan("") : run.energy.front();
    const auto step = std::isfinite(run.step) ? ", h = " + number_html(run.step) : "";
    const auto shape = run.shape.empty() ? "" : " of " + escape(run.shape);
    table.rows.push_back({{swatch_html(r) + escape(run.name)},
                          {words(run.objective_name)},
                          {words(run.geometry)},
                          {words(run.integrator) + step},
                          {count_html(run.particles) + shape, "number"},
                          {number_html(last(run.time)), "number"},
                          {number_html(start, 5), "number"},
                          {number_html(last(run.energy), 5), "number"},
                          {number_html(last(run.objective), 5), "number"},
                          {number_html(run.largest_ledger_error(), 2), "number"},
                          {number_html(run.relative_ledger_error(), 2), "number"},
                          {std::to_string(run.increases.size()) + " times", "number"},
                          {std::to_string(run.energy_increases) + " times", "number"},
                          {duration_html(run.wall_seconds), "number"}});
  }
  return table_html(table);
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
  return "<section id=\"flow\">\n<h2>Flow</h2>\n"
         "<p class=\"note\">N particles W with momentum M follow W′ = −∇Φ(M), M′ = γ(G − M). Their "
         "energy E = J + mean Φ(M)/γ can only fall, by exactly what the damping dissipates; the "
         "objective J alone may rise on the way.</p>\n" +
         remarks_html(remarks) +
         (figures.empty() ? "<p class=\"note\">No time has been recorded yet.</p>\n" : figures) +
         "<h3>Final numbers</h3>\n" + results_table(runs) + "</section>\n";
}

}  // namespace muonflow::report
