// What a study's run folder says: the claim, what was declared before it ran, what was measured,
// the verdict, and its figures.
#pragma once

#include <string>
#include <vector>

#include "muonflow/record/reader.hpp"

namespace muonflow::report {

struct StudyCheck {
  std::string name, quantity, why;
  std::string range;              // "in [1.85, 2.15]"; empty where it decides nothing
  bool whole_interval = false;    // whether the whole interval was to lie in the range
  std::string broken;             // what a broken bound means: FAIL or FINDING
  std::string verdict;            // PASS, FINDING, FAIL; empty: none
  double value{}, low{}, high{};  // NaN where not measured
};

struct StudyCurve {
  std::string label;
  std::string drawn;  // line, marks or dashed
  std::vector<double> x, y, low, high;
};

struct StudyFigure {
  std::string caption, x, y;
  bool log_x = false, log_y = false;
  std::vector<StudyCurve> curves;
};

struct StudyRun {
  std::string name;  // of the folder
  std::string study, title, paper, statement, computes;
  std::string verdict;  // empty: it did not end
  std::string state;    // why it is not whole, as words
  double wall_seconds{};
  std::vector<StudyCheck> checks;  // declared ones where nothing was measured yet
  std::vector<StudyFigure> figures;
  std::vector<std::string> remarks;
};

StudyRun study_run(const record::RunReader& reader, const std::string& name);

}  // namespace muonflow::report
