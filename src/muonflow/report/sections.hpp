// The page's parts. Each returns markup; those with charts add their numbers to the page's data.
#pragma once

#include <span>
#include <string>

#include "muonflow/record/reader.hpp"
#include "muonflow/report/flow_run.hpp"
#include "muonflow/report/page_data.hpp"
#include "muonflow/report/study_run.hpp"
#include "muonflow/report/training_run.hpp"

namespace muonflow::report {

// A run folder under the name by which the page knows it.
struct NamedRun {
  std::string name;
  record::RunReader reader;
};

// What happened, in a paragraph with the numbers that matter.
std::string summary_html(std::span<const TrainingRun> training, std::span<const FlowRun> flows);
std::string study_summary_html(std::span<const StudyRun> runs);
// Empty without runs of the kind.
std::string training_section(std::span<const TrainingRun> runs, PageData& data);
std::string flow_section(std::span<const FlowRun> runs, PageData& data);
std::string study_section(std::span<const StudyRun> runs, PageData& data);
// Configuration keys in which the runs differ, as a table; empty where there are none.
std::string differences_html(std::span<const NamedRun> runs);
// Machines, commands, kernel plan, configurations, references.
std::string appendix_section(std::span<const NamedRun> runs);

// The figures of the two sections: charts into the data, their markup returned.
std::string training_figures(std::span<const TrainingRun> runs, PageData& data);
std::string flow_figures(std::span<const FlowRun> runs, PageData& data);

// Shared pieces of markup.
//
// The coloured mark of the run with this index.
std::string swatch_html(std::size_t run);
// Buttons that hide and show runs.
std::string chips_html(std::string_view section, std::span<const std::string> names);
// A figure: caption (markup), canvas, and what stands below. `kind` is "", "wide" or "tall".
std::string figure_html(const std::string& id, const std::string& caption, std::string_view kind,
                        const std::string& above = "", const std::string& below = "");
// The runs' troubles, as a list; empty when all is well. Pairs of name and text, not yet escaped.
std::string remarks_html(const std::vector<std::pair<std::string, std::string>>& remarks);

}  // namespace muonflow::report
