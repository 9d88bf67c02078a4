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

std::string bars_figure(const std::string& id, const KernelRow& row, double peak, PageData& data) {
  BarFigure figure;
  figure.id = id;
  figure.x = "useful GF/s";
  if (peak > 0) figure.level = Figure::Level{.value = peak, .label = "peak"};
  // The fastest above.
  std::vector<const KernelContender*> order;
  for (const auto& contender : row.contenders) order.push_back(&contender);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->gflops > b->gflops; });
  for (const auto* contender : order) {
    if (!std::isfinite(contender->gflops)) continue;
    figure.bars.push_back({.label = contender->name,
                           .value = contender->gflops,
                           .role = contender->ours             ? "ours"
                                   : contender->same_precision ? "rival"
                                                               : "other"});
  }
  if (figure.bars.empty()) return {};
  data.add(std::move(figure));
  auto caption = fmt::format("<b>{}, {}.</b>", escape(row.title), escape(row.size));
  if (const auto* own = ours(row)) {
    caption += fmt::format(" Muonflow takes {}", time_html(own->median, row.count));
    if (std::isfinite(row.best_ratio)) {
      caption += fmt::format("; the best rival {} times as long", fixed_html(row.best_ratio, 2));
    }
    caption += ".";
  }
  return figure_html(id, caption, "tall");
}

std::string overview_table(const KernelBench& bench) {
  Table table;
  table.caption =
      "Medians of rounds in which all contenders took turns. The ratio is that of the best rival "
      "of "
      "the same precision: its time over that of muonflow, round by round.";
  table.head = {{"work"},
                {"muonflow", "number"},
                {"GF/s", "number"},
                {"of peak", "number"},
                {"error", "number"},
                {"best rival"},
                {"ratio", "number"}};
  for (const auto& row : bench.rows) {
    const auto* own = ours(row);
    const KernelContender nobody{.name = "",
                                 .median = std::nan(""),
                                 .gflops = std::nan(""),
                                 .fraction_of_peak = std::nan(""),
                                 .error = std::nan("")};
    const auto& shown = own != nullptr ? *own : nobody;
    table.rows.push_back({{escape(row.title) + ", " + escape(row.size)},
                          {time_html(shown.median, row.count), "number"},
                          {count_html(shown.gflops), "number"},
                          {percent_html(shown.fraction_of_peak, 0), "number"},
                          {number_html(shown.error, 2), "number"},
                          {escape(row.best_rival), "words"},
                          {times_html(row.best_ratio), "number best"}});
  }
  return table_html(table);
}

std::string details(const KernelRow& row) {
  Table table;
  table.head = {{"contender"},
                {"time", "number"},
                {"spread", "number"},
                {"GF/s", "number"},
                {"of peak", "number"},
                {"error", "number"},
                {"time over muonflow's", "number"}};
  for (const auto& contender : row.contenders) {
    table.rows.push_back({{escape(contender.name)},
                          {time_html(contender.median, row.count), "number"},
                          {percent_html(contender.spread, 1), "number"},
                          {count_html(contender.gflops), "number"},
                          {percent_html(contender.fraction_of_peak, 0), "number"},
                          {number_html(contender.error, 2), "number"},
                          {times_html(contender.ratio), "number"}});
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
    out += fmt::format("<h2>Kernels{}</h2>\n", benches.size() > 1 ? ": " + escape(bench.name) : "");
    out += fmt::format(
        "<p class=\"note\">Longer bars are faster. Useful GF/s counts the operations of the plain "
        "method for everybody, so a method that needs fewer may pass the measured peak of the "
        "processor ({} GF/s in float). Faint bars compute with fewer digits.</p>\n",
        count_html(bench.peak_gflops));
    std::string figures, all;
    for (std::size_t r = 0; r < bench.rows.size(); ++r) {
      figures +=
          bars_figure(fmt::format("kernels-{}-{}", b, r), bench.rows[r], bench.peak_gflops, data);
      all += details(bench.rows[r]);
    }
    if (!figures.empty()) out += "<div class=\"figures pair bars\">\n" + figures + "</div>\n";
    out += "<h3>All works</h3>\n" + overview_table(bench) + "<h3>Every contender</h3>\n" + all;
  }
  return out.empty() ? out : "<section id=\"kernels\">\n" + out + "</section>\n";
}

}  // namespace muonflow::report
