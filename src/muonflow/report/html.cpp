#include "muonflow/report/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/version.hpp"
#include "muonflow/report/assets.hpp"
#include "muonflow/report/bench/bench_sections.hpp"
#include "muonflow/report/events.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

// Nothing but what stands in the page may be loaded, and nothing may be sent.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'";

// Folder names, told apart where two are the same: "muon", "muon (2)".
std::vector<NamedRun> named(std::span<const record::RunReader> runs) {
  std::vector<NamedRun> out;
  for (const auto& reader : runs) {
    const auto plain = reader.name();
    auto name = plain;
    const auto taken = [&] {
      return std::any_of(out.begin(), out.end(), [&](const auto& r) { return r.name == name; });
    };
    for (int copy = 2; taken(); ++copy) name = fmt::format("{} ({})", plain, copy);
    out.push_back({.name = name, .reader = reader});
  }
  return out;
}

bool is_kind(const record::RunReader& reader, std::string_view kind, std::string_view event) {
  const auto own = text_of(reader.manifest(), {"kind"});
  return own.empty() ? reader.last(event) != nullptr : own == kind;
}

std::string title_of(std::size_t trainings, std::size_t flows, std::size_t studies,
                     std::size_t others, std::size_t benches) {
  const auto count = [](std::size_t n, const std::string& noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  std::vector<std::string> parts;
  if (trainings > 0) parts.push_back(count(trainings, "training run"));
  if (flows > 0) parts.push_back(count(flows, "flow"));
  if (studies > 0) {
    parts.push_back(studies == 1 ? "1 study" : std::to_string(studies) + " studies");
  }
  if (others > 0) parts.push_back(count(others, "other run"));
  if (benches > 0) parts.push_back(count(benches, "benchmark"));
  return parts.empty() ? "Muonflow report" : "Muonflow report: " + prose_list(parts);
}

// The days on which the runs were started.
std::string dates(const std::vector<NamedRun>& runs, std::span<const BenchFile> benches) {
  std::string first, last;
  const auto see = [&](const Json& document) {
    const auto day = text_of(document, {"created"}).substr(0, 10);
    if (day.empty()) return;
    if (first.empty() || day < first) first = day;
    if (last.empty() || day > last) last = day;
  };
  for (const auto& run : runs) see(run.reader.manifest());
  for (const auto& bench : benches) see(bench.document());
  if (first.empty()) return {};
  return (runs.empty() ? "Measured " : "Runs started ") + escape(first) +
         (first == last ? "" : " to " + escape(last)) + ". ";
}

}  // namespace

std::string render(std::span<const record::RunReader> runs, std::span<const BenchFile> benches) {
  const auto all = named(runs);
  std::vector<NamedRun> training_folders, flow_folders;
  std::vector<TrainingRun> trainings;
  std::vector<FlowRun> flows;
  std::vector<StudyRun> studies;
  for (const auto& run : all) {
    if (is_kind(run.reader, "train", "step")) {
      training_folders.push_back(run);
      trainings.push_back(training_run(run.reader, run.name));
    } else if (is_kind(run.reader, "flow", "flow")) {
      flow_folders.push_back(run);
      flows.push_back(flow_run(run.reader, run.name));
    } else if (is_kind(run.reader, "study", "bound")) {
      studies.push_back(study_run(run.reader, run.name));
    }
  }
  PageData data;
  const auto training = training_section(trainings, data);
  const auto flow = flow_section(flows, data);
  const auto study = study_section(studies, data);
  std::vector<KernelBench> kernels;
  std::vector<AccuracyBench> accuracies;
  for (const auto& bench : benches) {
    if (is_kernel_bench(bench)) kernels.push_back(kernel_bench(bench));
    if (is_accuracy_bench(bench)) accuracies.push_back(accuracy_bench(bench));
  }
  const auto measured = kernels_section(kernels, data) + accuracy_section(accuracies, data);
  const auto title = escape(title_of(trainings.size(), flows.size(), studies.size(),
                                     all.size() - trainings.size() - flows.size() - studies.size(),
                                     benches.size()));

  std::string page;
  page += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", kPolicy);
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  page += fmt::format("<meta name=\"generator\" content=\"muonflow {}\">\n", kVersion);
  page += fmt::format("<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n", title);
  page += "<style>\n" + std::string(kPageCss) + "</style>\n</head>\n<body>\n<header>\n";
  page += fmt::format("<h1>{}</h1>\n<p class=\"by\">{}Written by muonflow {}.</p>\n", title,
                      dates(all, benches), kVersion);
  page +=
      summary_html(trainings, flows) + study_summary_html(studies) + bench_summary_html(kernels);
  page +=
      "<noscript><p class=\"warn\">The charts are drawn by scripts inside this page, which are "
      "switched off here; the tables below are complete without them.</p></noscript>\n";
  page += "</header>\n<main>\n" + training;
  page += differences_html(training_folders);
  page += flow;
  page += differences_html(flow_folders);
  page += study;
  page += measured;
  if (!all.empty() || benches.empty()) page += appendix_section(all);
  page += bench_appendix(benches);
  page +=
      "</main>\n<footer>This page is complete in itself: it loads nothing and sends nothing. "
      "Charts by Chart.js (MIT licence, inside).</footer>\n";
  page += "<script type=\"application/json\" id=\"muonflow-data\">" + embed_json(data.to_json()) +
          "</script>\n";
  page += "<script>\n" + std::string(kChartJs) + "\n</script>\n";
  page += "<script>\n" + std::string(kPageJs) + "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace muonflow::report
