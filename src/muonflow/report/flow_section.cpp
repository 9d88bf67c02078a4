// Flow runs: charts and the numbers at their ends.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

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

std::string integrator(const FlowRun& run) {
  const auto step = std::isfinite(run.step) ? ", step " + number_html(run.step) : "";
  return words(run.integrator) + step;
}

// "259 of 2,000 steps"
std::string rises_html(const FlowRun& run, double count) {
  if (run.rises.out_of == 0) return words("");
  return fmt::format("{} of {} {}", count_html(count), count_html(run.rises.out_of),
                     run.rises.unit);
}

std::string rate_html(const FlowRun& run) {
  auto out = number_html(run.rate, 3);
  if (std::isfinite(run.rate_low) && std::isfinite(run.rate_high)) {
    out += fmt::format(" [{}, {}]", number_html(run.rate_low, 3), number_html(run.rate_high, 3));
  }
  return out;
}

// "0.633; fitted / certified 1.64"
std::string certified_html(const FlowRun& run, double rate) {
  if (!std::isfinite(rate)) {
    return words(run.certificate_note.empty() ? "" : "none: " + run.certificate_note);
  }
  auto out = number_html(rate, 3);
  if (rate > 0 && std::isfinite(run.rate)) {
    out += "; fitted / certified " + number_html(run.rate / rate, 3);
  }
  return out;
}

std::string assumptions_html(const FlowRun& run) {
  if (!std::isfinite(run.records_certified)) return words("");
  return fmt::format(
      "held at {} of {} records; {} among them", count_html(run.records_holding),
      count_html(run.records_certified),
      run.violations == 0 ? "no violation" : count_html(run.violations) + " violations");
}

// Quantities down, runs across: there are more quantities than runs.
std::string results_table(std::span<const FlowRun> runs) {
  const auto last = [](const std::vector<double>& v) {
    return v.empty() ? std::nan("") : v.back();
  };
  using Column = std::function<std::string(const FlowRun&)>;
  const std::vector<std::pair<std::string, Column>> quantities{
      {"problem", problem},
      {"integrator", integrator},
      {"end time", [&](const FlowRun& run) { return number_html(last(run.time)); }},
      {"energy E at the start",
       [](const FlowRun& run) {
         return number_html(run.energy.empty() ? std::nan("") : run.energy.front(), 5);
       }},
      {"energy E at the end", [&](const FlowRun& run) { return number_html(last(run.energy), 5); }},
      {"objective J at the end",
       [&](const FlowRun& run) { return number_html(last(run.objective), 5); }},
      {"ledger error, largest recorded",
       [](const FlowRun& run) { return number_html(run.largest_ledger_error(), 2); }},
      {"ledger error, relative, largest of all steps",
       [](const FlowRun& run) { return number_html(run.relative_ledger_error, 2); }},
      {"fitted rate of E, with its 95% interval", rate_html},
      {"certified rate, over the times of the fit",
       [](const FlowRun& run) { return certified_html(run, run.certified_rate); }},
      {"certified rate, over all times",
       [](const FlowRun& run) { return certified_html(run, run.certified_whole); }},
      {"assumptions of the certificate", assumptions_html},
      {"J rose", [](const FlowRun& run) { return rises_html(run, run.rises.objective); }},
      {"E rose", [](const FlowRun& run) { return rises_html(run, run.rises.energy); }},
      {"wall time", [](const FlowRun& run) { return duration_html(run.wall_seconds); }}};
  Table table;
  table.caption =
      "Relative: over E at the start, above the infimum of J where that is known. Rate: E above "
      "that infimum falls like exp(−rate t).";
  table.head = {{"quantity"}};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    table.head.push_back({swatch_html(r) + escape(runs[r].name), "words"});
  }
  for (const auto& [name, column] : quantities) {
    std::vector<Cell> row{{name}};
    for (const auto& run : runs) row.push_back({column(run), "words"});
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
