// Lines on two logarithmic axes as a picture that stands alone: for pages that run no scripts, such
// as a README.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "muonflow/report/bench/bench_file.hpp"

namespace muonflow::report {

struct LogLogLine {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;  // what is not a positive number is a gap
};

struct LogLogPanel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<LogLogLine> lines;
};

// The panels beside each other on equal axes, one legend below: lines of the same label have the
// same colour and mark. An SVG document on a white ground, without scripts and references.
std::string log_log_svg(std::span<const LogLogPanel> panels, const std::string& title);

// Error against condition number, a panel a precision.
std::string accuracy_svg(const AccuracyBench& bench);

}  // namespace muonflow::report
