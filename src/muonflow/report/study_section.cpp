// Studies: what was claimed, declared, measured, and the verdict.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "muonflow/report/line_figure.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/mathematics.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

// Only the three words that a verdict can be become part of a class name.
std::string verdict_html(const std::string& verdict) {
  if (verdict == "PASS") return "<span class=\"verdict pass\">PASS</span>";
  if (verdict == "FINDING") return "<span class=\"verdict finding\">FINDING</span>";
  if (verdict == "FAIL") return "<span class=\"verdict fail\">FAIL</span>";
  return "";
}

std::string measured_html(const StudyCheck& check) {
  auto out = number_html(check.value);
  if (std::isfinite(check.low) && std::isfinite(check.high)) {
    out += fmt::format(" [{}, {}]", number_html(check.low), number_html(check.high));
  }
  return out;
}

std::string bound_html(const StudyCheck& check) {
  if (check.range.empty()) return "told, decides nothing";
  return mathematics_html(check.range) + (check.whole_interval ? ", the whole interval" : "");
}

std::string checks_table(const StudyRun& run) {
  Table table;
  table.caption =
      "Every bound was declared before the run. Brackets: 95% intervals over seeds or replicas.";
  table.head = {{"quantity"}, {"measured"}, {"bound"}, {"verdict"}, {"where the bound comes from"}};
  for (const auto& check : run.checks) {
    table.rows.push_back({{mathematics_html(check.quantity)},
                          {measured_html(check)},
                          {bound_html(check)},
                          {verdict_html(check.verdict)},
                          {mathematics_html(check.why), "words"}});
  }
  return table_html(table);
}

// A theory or a fit has the colour of the measured curve that it follows.
struct Toned {
  const StudyCurve* curve;
  std::size_t tone;
};

std::vector<Toned> toned(const StudyFigure& figure) {
  std::vector<Toned> out;
  std::size_t measured = 0;
  for (const auto& curve : figure.curves) {
    const bool theory = curve.drawn == "dashed";
    out.push_back({&curve, theory && measured > 0 ? measured - 1 : measured});
    measured += !theory;
  }
  return out;
}

// What was measured first, then theories; one that stands beside several curves is told once.
std::string keys_html(const std::vector<Toned>& curves) {
  constexpr std::size_t kMost = 12;
  std::vector<std::string> measured, theories;
  std::vector<std::string> told;
  for (const auto& [curve, tone] : curves) {
    const auto label = "<span>" + mathematics_html(curve->label) + "</span>";
    if (curve->drawn == "marks") {
      measured.push_back(swatch_html(tone) + label);
    } else if (curve->drawn != "dashed") {
      measured.push_back(fmt::format("<span class=\"line of-{}\"></span>{}", tone % 8, label));
    } else if (std::find(told.begin(), told.end(), curve->label) == told.end()) {
      told.push_back(curve->label);
      const auto same = std::count_if(
          curves.begin(), curves.end(),
          [&name = curve->label](const Toned& other) { return other.curve->label == name; });
      theories.push_back(
          (same > 1 ? std::string("<span class=\"line dashed\"></span>")
                    : fmt::format("<span class=\"line theory of-{}\"></span>", tone % 8)) +
          label);
    }
  }
  std::string out = "<ul class=\"keys\">";
  for (std::size_t i = 0; i < measured.size() && i < kMost; ++i) {
    out += "<li>" + measured[i] + "</li>";
  }
  if (measured.size() > kMost) out += fmt::format("<li>and {} more</li>", measured.size() - kMost);
  for (const auto& theory : theories) out += "<li>" + theory + "</li>";
  return out + "</ul>\n";
}

std::string study_figure(const StudyFigure& source, const std::string& id, PageData& data) {
  Figure figure;
  figure.id = id;
  figure.section = "study";
  figure.x = {{"x", mathematics(source.x)}};
  figure.y = mathematics(source.y);
  figure.log = source.log_y;
  figure.log_x = source.log_x;
  const auto curves = toned(source);
  for (const auto& [curve, tone] : curves) {
    const auto role = curve->drawn == "dashed"  ? "theory"
                      : curve->drawn == "marks" ? "marks"
                                                : "line";
    add_line(figure, data,
             {.label = mathematics(curve->label),
              .axes = {{"x", curve->x}},
              .y = curve->y,
              .role = role,
              .tone = tone,
              .low = curve->low,
              .high = curve->high});
  }
  return finish_figure(std::move(figure), data, mathematics_html(source.caption) + ".", "tall",
                       keys_html(curves));
}

std::string overview(std::span<const StudyRun> runs) {
  if (runs.size() < 2) return {};
  Table table;
  table.head = {
      {"study"}, {"claim"}, {"verdict"}, {"bounds that hold", "number"}, {"time", "number"}};
  for (const auto& run : runs) {
    std::size_t deciding = 0, holding = 0;
    for (const auto& check : run.checks) {
      deciding += !check.range.empty();
      holding += check.verdict == "PASS";
    }
    table.rows.push_back({{escape(run.study)},
                          {mathematics_html(run.title) + ", " + escape(run.paper)},
                          {run.verdict.empty() ? escape(run.state) : verdict_html(run.verdict)},
                          {fmt::format("{} of {}", holding, deciding), "number"},
                          {duration_html(run.wall_seconds), "number"}});
  }
  return table_html(table);
}

std::string one_study(const StudyRun& run, std::size_t index, PageData& data) {
  auto out = fmt::format("<h3>{}: {} {}</h3>\n", escape(run.study), mathematics_html(run.title),
                         verdict_html(run.verdict));
  if (!run.statement.empty()) {
    out += fmt::format("<p class=\"claim\">{} <span class=\"absent\">({})</span></p>\n",
                       mathematics_html(run.statement), escape(run.paper));
  }
  if (!run.computes.empty()) {
    out += fmt::format("<p class=\"note\">Computed: {}</p>\n", mathematics_html(run.computes));
  }
  std::vector<std::pair<std::string, std::string>> remarks;
  if (!run.state.empty()) remarks.emplace_back(run.name, run.state);
  for (const auto& remark : run.remarks) remarks.emplace_back(run.name, remark);
  out += remarks_html(remarks);
  std::string figures;
  for (std::size_t f = 0; f < run.figures.size(); ++f) {
    figures += study_figure(run.figures[f], fmt::format("study-{}-{}", index, f), data);
  }
  if (!figures.empty()) out += "<div class=\"figures pair\">\n" + figures + "</div>\n";
  return out + checks_table(run);
}

}  // namespace

std::string study_section(std::span<const StudyRun> runs, PageData& data) {
  if (runs.empty()) return {};
  auto out = "<section id=\"study\">\n<h2>Studies</h2>\n" + overview(runs);
  for (std::size_t r = 0; r < runs.size(); ++r) out += one_study(runs[r], r, data);
  return out + "</section>\n";
}

std::string study_summary_html(std::span<const StudyRun> runs) {
  if (runs.empty()) return {};
  const auto said = [&](const std::string& verdict) {
    std::vector<std::string> names;
    for (const auto& run : runs) {
      if (run.verdict == verdict) names.push_back("<strong>" + escape(run.study) + "</strong>");
    }
    return names;
  };
  const auto pass = said("PASS"), finding = said("FINDING"), fail = said("FAIL"), open = said("");
  std::vector<std::string> sentences;
  const auto add = [&](const std::vector<std::string>& names, const std::string& what) {
    if (!names.empty()) sentences.push_back(what + " " + prose_list(names) + ".");
  };
  add(pass, pass.size() == 1 ? "Every declared bound held in the study"
                             : "Every declared bound held in the studies");
  add(finding, "A claim was contradicted, as a finding, in");
  add(fail, "A bound behind which a theorem stands was broken in");
  add(open, "Without an end, and without a verdict:");
  std::string out;
  for (const auto& sentence : sentences) out += (out.empty() ? "" : " ") + sentence;
  return "<p class=\"lead\">" + out + "</p>\n";
}

}  // namespace muonflow::report
