// Error against condition number: a chart a precision, with a table of its numbers.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "muonflow/report/bench/bench_sections.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

std::size_t index_of(const std::vector<std::string>& list, const std::string& text) {
  std::size_t at = 0;
  while (list[at] != text) ++at;
  return at;
}

std::string lines_figure(const AccuracyBench& bench, const std::string& section,
                         const std::string& dtype, PageData& data) {
  Figure figure;
  figure.id = section + "-" + std::to_string(index_of(bench.dtypes(), dtype));
  figure.section = section;
  figure.x = {{"condition", "condition number"}};
  figure.y = "relative error";
  figure.log = true;
  figure.log_x = true;
  const auto methods = bench.methods();
  const auto points = data.add_points({{"condition", bench.conditions}});
  for (const auto& series : bench.series) {
    if (series.dtype != dtype) continue;
    auto errors = series.errors;
    // A log axis cannot show an error of zero.
    for (double& error : errors) {
      if (!(error > 0)) error = std::numeric_limits<double>::quiet_NaN();
    }
    for (const char* role : {"line", "marks"}) {
      figure.series.push_back({.label = series.name,
                               .role = role,
                               .points = points,
                               .y = errors,
                               .run = index_of(methods, series.name),
                               .tone = {},
                               .fill = {}});
    }
  }
  const auto id = figure.id;
  data.add(std::move(figure));
  return figure_html(id,
                     fmt::format("<b>Error in {}.</b> Distance to the exact factor of the stored "
                                 "matrix over the norm of that.",
                                 escape(dtype)),
                     "tall");
}

std::string table_of(const AccuracyBench& bench, const std::string& dtype) {
  Table table;
  table.head = {{"method"}};
  for (const double condition : bench.conditions) {
    table.head.push_back({number_html(condition, 2), "number"});
  }
  for (const auto& series : bench.series) {
    if (series.dtype != dtype) continue;
    std::vector<Cell> row{{escape(series.name)}};
    for (const double error : series.errors) row.push_back({number_html(error, 2), "number"});
    table.rows.push_back(std::move(row));
  }
  return details_html(escape(dtype) + " by condition number", table_html(table));
}

}  // namespace

std::string accuracy_section(std::span<const AccuracyBench> benches, PageData& data) {
  std::string out;
  for (std::size_t b = 0; b < benches.size(); ++b) {
    const auto& bench = benches[b];
    const auto section = fmt::format("accuracy-{}", b);
    out +=
        fmt::format("<h2>Accuracy{}</h2>\n", benches.size() > 1 ? ": " + escape(bench.name) : "");
    out += fmt::format(
        "<p class=\"note\">Square matrices of {} rows with singular values from 1 down to one over "
        "the condition number. The polynomial methods take {} steps; jordan and its kin stop near "
        "1 "
        "by design. The map of “regularized” has epsilon {} of the root mean square of the "
        "singular "
        "values.</p>\n",
        count_html(bench.size), count_html(bench.steps), number_html(bench.epsilon));
    out += "<div class=\"controls\">" + chips_html(section, bench.methods()) + "</div>\n";
    std::string figures, tables;
    for (const auto& dtype : bench.dtypes()) {
      figures += lines_figure(bench, section, dtype, data);
      tables += table_of(bench, dtype);
    }
    out += "<div class=\"figures pair\">\n" + figures + "</div>\n" + tables;
  }
  return out.empty() ? out : "<section id=\"accuracy\">\n" + out + "</section>\n";
}

}  // namespace muonflow::report
