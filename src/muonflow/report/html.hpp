// Run folders and benchmarks into one self-contained HTML page: charts, tables and words, no
// request to anywhere.
#pragma once

#include <span>
#include <string>

#include "muonflow/record/reader.hpp"
#include "muonflow/report/bench/bench_file.hpp"

namespace muonflow::report {

// The whole page, UTF-8, about 0.3 MB and what the runs add (charts are thinned to some thousand
// points). Runs appear in the order given; those that trained are compared with each other, and so
// are flows. The same folders give the same bytes. Whatever a run folder lacks is left out of the
// page; a run of another kind is listed with its machine and configuration. Documents of `muonflow
// bench` follow the runs.
std::string render(std::span<const record::RunReader> runs,
                   std::span<const BenchFile> benches = {});

}  // namespace muonflow::report
