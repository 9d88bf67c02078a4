// The page's parts about benchmarks: speed beside rivals as bars, error against condition number as
// lines. Empty without documents of the kind.
#pragma once

#include <span>
#include <string>

#include "muonflow/report/bench/bench_file.hpp"
#include "muonflow/report/page_data.hpp"

namespace muonflow::report {

std::string kernels_section(std::span<const KernelBench> benches, PageData& data);
std::string accuracy_section(std::span<const AccuracyBench> benches, PageData& data);
// The paragraph at the page's head.
std::string bench_summary_html(std::span<const KernelBench> benches);
// Machines and libraries of the documents.
std::string bench_appendix(std::span<const BenchFile> files);

}  // namespace muonflow::report
