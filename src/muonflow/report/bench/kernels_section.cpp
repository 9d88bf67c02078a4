// Kernels beside their rivals: a chart of bars a work, one table of all, and each work's details.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "muonflow/report/bench/bench_sections.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

// "31.2 ms", or of a batch the time of one matrix: "0.74 µs each".
std::string time_html(double seconds, double count) {
  if (!std::isfinite(seconds)) return number_html(seconds);
  const bool batch = count > 1;
  const double each = batch ? seconds / count : seconds;
  const auto text = each < 1e-3 ? number_html(1e6 * each, 3) + " µs"
                    : each < 1  ? number_html(1e3 * each, 3) + " ms"
                                : number_html(each, 3) + " s";
  return batch ? text + " each" : text;
}

std::string percent_html(double fraction, int decimals) {
  return fixed_html(100 * fraction, decimals) + (std::isfinite(fraction) ? "%" : "");
}

std::string times_html(double ratio) {
  return fixed_html(ratio, 2) + (std::isfinite(ratio) ? "×" : "");
}

const KernelContender* ours(const KernelRow& row) {
  const auto at = std::find_if(row.contenders.begin(), row.contenders.end(),
                               [](const auto& contender) { return contender.ours; });
  return at == row.contenders.end() ? nullptr : &*at;
}

// What a bar shows: the longer, the faster.
double rate(const KernelContender& contender, bool steps) {
  return steps ? 1e-6 * contender.parameters_per_second : contender.gflops;
}

// The fastest above; nothing where no contender has a rate.
std::string bars_figure(const std::string& id, std::span<const KernelContender> contenders,
                        const KernelBench& bench, const std::string& caption, PageData& data) {
  BarFigure figure;
  figure.id = id;
  figure.x = bench.steps ? "million parameters a second" : "useful GF/s";
  if (bench.peak_gflops > 0) {
    figure.level = Figure::Level{.value = bench.peak_gflops, .label = "peak"};
  }
  std::vector<const KernelContender*> order;
  for (const auto& contender : contenders) {
    if (std::isfinite(rate(contender, bench.steps))) order.push_back(&contender);
  }
  if (order.empty()) return {};
  std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
    return rate(*a, bench.steps) > rate(*b, bench.steps);
  });
  for (const auto* contender : order) {
    figure.bars.push_back({.label = contender->name,
                           .value = rate(*contender, bench.steps),
                           .role = contender->ours             ? "ours"
                                   : contender->same_precision ? "rival"
                                                               : "other"});
  }
  data.add(std::move(figure));
  return figure_html(id, caption, "tall");
}

std::string row_figure(const std::string& id, const KernelRow& row, const KernelBench& bench,
                       PageData& data) {
  // A rule without a rival stands in the figure of all rules.
  if (bench.steps && row.contenders.size() < 2) return {};
  auto caption = fmt::format("<b>{}, {}.</b>", escape(row.title), escape(row.size));
  if (const auto* own = ours(row)) {
    caption += fmt::format(" Muonflow takes {}", time_html(own->median, row.count));
    if (std::isfinite(row.best_ratio)) {
      caption += fmt::format("; the best rival {} times as long", fixed_html(row.best_ratio, 2));
    }
    caption += ".";
  }
  return bars_figure(id, row.contenders, bench, caption, data);
}

// Our rules beside each other, one figure a model.
std::string rules_figures(const std::string& id, const KernelBench& bench, PageData& data) {
  std::vector<std::pair<std::string, std::vector<KernelContender>>> models;
  for (const auto& row : bench.rows) {
    const auto* own = ours(row);
    if (own == nullptr) continue;
    auto at = std::find_if(models.begin(), models.end(),
                           [&](const auto& model) { return model.first == row.size; });
    if (at == models.end()) at = models.insert(at, {row.size, {}});
    at->second.push_back(*own);
    at->second.back().name = row.title;
  }
  std::string out;
  for (std::size_t m = 0; m < models.size(); ++m) {
    const auto& [size, rules] = models[m];
    const auto caption = fmt::format("<b>Rules of muonflow, {}.</b>", escape(size));
    out += bars_figure(fmt::format("{}-{}", id, m), rules, bench, caption, data);
  }
  return out;
}

// The columns that kernels and steps do not share.
void add_numbers_head(bool steps, std::vector<Cell>& head) {
  if (steps) {
    head.insert(head.end(), {{"million parameters a second", "number"}, {"state MB", "number"}});
  } else {
    head.insert(head.end(), {{"GF/s", "number"}, {"of peak", "number"}, {"error", "number"}});
  }
}
void add_numbers(bool steps, const KernelContender& contender, std::vector<Cell>& cells) {
  if (steps) {
    cells.push_back({number_html(rate(contender, steps), 3), "number"});
    cells.push_back({fixed_html(1e-6 * contender.state_bytes, 1), "number"});
  } else {
    cells.push_back({count_html(contender.gflops), "number"});
    cells.push_back({percent_html(contender.fraction_of_peak, 0), "number"});
    cells.push_back({number_html(contender.error, 2), "number"});
  }
}

std::string overview_table(const KernelBench& bench) {
  Table table;
  table.caption =
      "Medians of rounds in which all contenders took turns. The ratio is that of the best rival "
      "of "
      "the same precision: its time over that of muonflow, round by round.";
  table.head = {{bench.steps ? "rule" : "work"}, {"muonflow", "number"}};
  add_numbers_head(bench.steps, table.head);
  table.head.insert(table.head.end(), {{"best rival"}, {"ratio", "number"}});
  for (const auto& row : bench.rows) {
    const auto* own = ours(row);
    const KernelContender nobody{.name = "",
                                 .median = std::nan(""),
                                 .gflops = std::nan(""),
                                 .fraction_of_peak = std::nan(""),
                                 .error = std::nan(""),
                                 .parameters_per_second = std::nan(""),
                                 .state_bytes = std::nan("")};
    const auto& shown = own != nullptr ? *own : nobody;
    auto& cells = table.rows.emplace_back();
    cells = {{escape(row.title) + ", " + escape(row.size)},
             {time_html(shown.median, row.count), "number"}};
    add_numbers(bench.steps, shown, cells);
    cells.push_back({escape(row.best_rival), "words"});
    cells.push_back({times_html(row.best_ratio), "number best"});
  }
  return table_html(table);
}

std::string details(const KernelRow& row, bool steps) {
  Table table;
  table.head = {{"contender"}, {"time", "number"}, {"spread", "number"}};
  add_numbers_head(steps, table.head);
  table.head.push_back({"time over muonflow's", "number"});
  for (const auto& contender : row.contenders) {
    auto& cells = table.rows.emplace_back();
    cells = {{escape(contender.name)},
             {time_html(contender.median, row.count), "number"},
             {percent_html(contender.spread, 1), "number"}};
    add_numbers(steps, contender, cells);
    cells.push_back({times_html(contender.ratio), "number"});
  }
  return details_html(escape(row.title) + ", " + escape(row.size), table_html(table));
}

}  // namespace

std::string bench_summary_html(std::span<const KernelBench> benches) {
  std::string out;
  for (const auto& bench : benches) {
    const KernelRow* best = nullptr;
    const KernelRow* worst = nullptr;
    for (const auto& row : bench.rows) {
      if (!std::isfinite(row.best_ratio)) continue;
      if (best == nullptr || row.best_ratio > best->best_ratio) best = &row;
      if (worst == nullptr || row.best_ratio < worst->best_ratio) worst = &row;
    }
    if (best == nullptr) continue;
    const auto told = [](const KernelRow& row) {
      return fmt::format("<strong>{}</strong> ({}, {})", times_html(row.best_ratio),
                         escape(row.title), escape(row.size));
    };
    out += "<p class=\"lead\">Time of the best rival over that of muonflow: " +
           (best == worst ? told(*best) : fmt::format("from {} to {}", told(*worst), told(*best))) +
           ".</p>\n";
  }
  return out;
}

std::string kernels_section(std::span<const KernelBench> benches, PageData& data) {
  std::string out;
  for (std::size_t b = 0; b < benches.size(); ++b) {
    const auto& bench = benches[b];
    out += fmt::format("<h2>{}{}</h2>\n", bench.steps ? "Steps of optimizers" : "Kernels",
                       benches.size() > 1 ? ": " + escape(bench.name) : "");
    if (bench.steps) {
      out +=
          "<p class=\"note\">Longer bars are faster. Rules that refresh something every few steps "
          "are shown with the mean over whole cycles.</p>\n";
    } else {
      out += fmt::format(
          "<p class=\"note\">Longer bars are faster. Useful GF/s counts the operations of the "
          "plain "
          "method for everybody, so a method that needs fewer may pass the measured peak of the "
          "processor ({} GF/s in float). Faint bars compute with fewer digits.</p>\n",
          count_html(bench.peak_gflops));
    }
    std::string figures, all;
    if (bench.steps) figures += rules_figures(fmt::format("rules-{}", b), bench, data);
    for (std::size_t r = 0; r < bench.rows.size(); ++r) {
      figures += row_figure(fmt::format("kernels-{}-{}", b, r), bench.rows[r], bench, data);
      all += details(bench.rows[r], bench.steps);
    }
    if (!figures.empty()) out += "<div class=\"figures pair bars\">\n" + figures + "</div>\n";
    out += fmt::format("<h3>All {}</h3>\n", bench.steps ? "rules" : "works") +
           overview_table(bench) + "<h3>Every contender</h3>\n" + all;
  }
  return out.empty() ? out : "<section id=\"kernels\">\n" + out + "</section>\n";
}

}  // namespace muonflow::report
